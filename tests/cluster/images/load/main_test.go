package main

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

func TestLoadCountsAnswersAndFailures(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1)%4 == 0 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer server.Close()
	got := load(server.URL, 200, 200*time.Millisecond)
	if got.Answers != 30 || got.Failures != 10 || got.P50 <= 0 || got.P50 > got.P99 || got.P99 > got.Max {
		t.Errorf("%+v, want 30 answers and 10 failures", got)
	}
}

func TestSummary(t *testing.T) {
	took, failed := make([]time.Duration, 101), make([]bool, 101)
	for i := range took {
		took[len(took)-1-i] = time.Duration(i) * time.Millisecond
	}
	if got, want := summary(took, failed), (result{Answers: 101, P50: 50, P99: 99, Max: 100}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := summary(took[:1], []bool{true}); got != (result{Failures: 1}) {
		t.Errorf("%+v of nothing but failures", got)
	}
}
