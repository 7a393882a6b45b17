package store

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestBoundedReturnsWhatTheCallReturned: the end of a call cancels its context;
// whichever of the two is seen first, the answer is the call's.
func TestBoundedReturnsWhatTheCallReturned(t *testing.T) {
	s := &Store{}
	failed := errors.New("the call's own error")
	for i := range 20_000 {
		if err := s.bounded(t.Context(), time.Minute, func(context.Context) error { return failed }); !errors.Is(err, failed) {
			t.Fatalf("call %d returns %v", i, err)
		}
	}
}

// TestBoundedSaysWhyItGaveUp: a call that obeys its context is answered with the
// cause.
func TestBoundedSaysWhyItGaveUp(t *testing.T) {
	s := &Store{}
	wait := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	if err := s.bounded(t.Context(), time.Millisecond, wait); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after its time: %v", err)
	}
	left := errors.New("the caller has left")
	ctx, cancel := context.WithCancelCause(t.Context())
	if err := s.bounded(ctx, time.Minute, func(inner context.Context) error {
		cancel(left)
		return wait(inner)
	}); !errors.Is(err, left) {
		t.Errorf("when its caller has left: %v", err)
	}
}
