package admission

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"
)

// BenchmarkHandler measures the whole handler (parse, decide, patch, answer)
// on one core, without the network.
func BenchmarkHandler(b *testing.B) {
	for _, row := range []struct {
		what string
		body []byte
	}{
		{"injected", creation(b, asking())},
		{"not asked for", creation(b, podJSON(nil))},
	} {
		b.Run(row.what, func(b *testing.B) {
			f := newFixture(b, func(o *Options) { o.Log = slog.New(slog.DiscardHandler) })
			handler := f.server.Config.Handler
			var took []time.Duration
			for b.Loop() {
				request := httptest.NewRequest(http.MethodPost, Path, bytes.NewReader(row.body))
				request.Header.Set("Content-Type", "application/json")
				recorder := httptest.NewRecorder()
				begin := time.Now()
				handler.ServeHTTP(recorder, request)
				took = append(took, time.Since(begin))
				if recorder.Code != http.StatusOK {
					b.Fatal(recorder.Body)
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
		})
	}
}
