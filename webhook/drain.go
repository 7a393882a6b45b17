package main

import (
	"context"
	"net/http"
	"time"
)

// endLater makes a context that ends when the given one has ended and the
// pause is over. API servers keep their connections to a replica after it was
// taken out of the Service; during the pause each finds out with its next
// answer, so that none is left to be closed in the middle of a request.
func endLater(ctx context.Context, pause time.Duration) (later context.Context, cancel context.CancelFunc) {
	later, cancel = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		select {
		case <-later.Done():
			return
		case <-ctx.Done():
		}
		select {
		case <-later.Done():
		case <-time.After(pause):
			cancel()
		}
	}()
	return later, cancel
}

// lastOnConnection makes every answer after the context's end the last one on
// its connection.
func lastOnConnection(ctx context.Context, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ctx.Err() != nil {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
