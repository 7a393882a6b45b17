package api

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
)

func TestLargeAnswersAreCompressedForWhoTakesIt(t *testing.T) {
	large, small := strings.Repeat("frame ", 1000), "frame"
	for _, c := range []struct {
		accept string
		body   any
		packed bool
	}{
		{"gzip", large, true},
		{"br, gzip;q=0.5", large, true},
		{"GZIP", large, true},
		{"gzip;q=0", large, false},
		{"gzip;q=much", large, false},
		{"br", large, false},
		{"", large, false},
		{"gzip", small, false},
		{"gzip", File{Name: "a.pb.gz", MediaType: "application/octet-stream", Packed: true, Body: []byte(large)}, false},
		{"gzip", File{Name: "a.txt", MediaType: "text/plain", Body: []byte(large)}, true},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Encoding", c.accept)
		w := httptest.NewRecorder()
		Answer(w, r, c.body)
		if got := w.Header().Get("Content-Encoding") == "gzip"; got != c.packed || w.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q, %.20v: compressed %v", c.accept, c.body, got)
		}
		body := w.Body.String()
		if c.packed {
			unpacked, err := gzip.NewReader(w.Body)
			if err != nil {
				t.Fatal(err)
			}
			all, err := io.ReadAll(unpacked)
			if err != nil {
				t.Fatal(err)
			}
			body = string(all)
		}
		if !strings.Contains(body, "frame") {
			t.Errorf("%q: body is %.40q", c.accept, body)
		}
	}
}

func TestFilesHaveNameAndType(t *testing.T) {
	w := httptest.NewRecorder()
	Answer(w, httptest.NewRequest("GET", "/", nil), File{Name: "shop.cpu.txt", MediaType: "text/plain", Body: []byte("a;b 1\n")})
	if w.Header().Get("Content-Type") != "text/plain" || !strings.Contains(w.Header().Get("Content-Disposition"), `"shop.cpu.txt"`) || w.Body.String() != "a;b 1\n" {
		t.Errorf("answer is %v %q", w.Header(), w.Body)
	}
}
