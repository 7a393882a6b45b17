package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

func TestEndLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(context.Background())
		later, cancel := endLater(ctx, 5*time.Second)
		defer cancel()
		time.Sleep(time.Hour)
		if later.Err() != nil {
			t.Error("ended before the first context did")
		}
		end()
		time.Sleep(5*time.Second - 1)
		synctest.Wait()
		if later.Err() != nil {
			t.Error("ended before the pause was over")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if later.Err() == nil {
			t.Error("did not end after the pause")
		}
	})
}

func TestEndLaterCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which fails if the goroutine stays
		later, cancel := endLater(context.Background(), time.Hour)
		cancel()
		<-later.Done()
	})
}

func TestLastOnConnection(t *testing.T) {
	ctx, end := context.WithCancel(context.Background())
	defer end()
	server := httptest.NewServer(lastOnConnection(ctx, http.NotFoundHandler()))
	defer server.Close()
	for _, want := range []bool{false, true} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := server.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.Close != want {
			t.Errorf("context ended: %t, connection closes: %t", ctx.Err() != nil, response.Close)
		}
		end()
	}
}
