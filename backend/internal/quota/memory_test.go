package quota_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/podflame/podflame/backend/internal/quota"
)

// Whatever is taken, kept and freed, what is in use is what the shares have, and within the
// limit; at the end nothing is.
func TestMemoryIsBounded(t *testing.T) {
	const limit = 1000
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	rapid.Check(t, func(t *rapid.T) {
		m := quota.NewMemory(limit, time.Minute)
		var shares []*quota.Share
		for range 6 {
			_, s := m.Begin(context.Background())
			s.Answers(rapid.IntRange(0, 10).Draw(t, "nodes"), 20)
			shares = append(shares, s)
		}
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			s := shares[rapid.IntRange(0, len(shares)-1).Draw(t, "share")]
			before := m.InUse()
			switch rapid.IntRange(0, 3).Draw(t, "action") {
			case 0:
				if err := s.Take(gone, rapid.Int64Range(0, 3000).Draw(t, "bytes"), 5); err != nil && m.InUse() > before {
					t.Fatalf("a share that got nothing has %d more", m.InUse()-before)
				}
			case 1:
				s.Keep(rapid.Int64Range(-10, 800).Draw(t, "keep"))
			case 2:
				s.Free()
			default:
				if err := s.Take(gone, 1, 0); err != nil && before < limit/8 {
					t.Fatalf("a light one waits although %d are in use: %v", before, err)
				}
			}
			if n := m.InUse(); n < 0 || n > limit {
				t.Fatalf("%d of %d are in use", n, limit)
			}
		}
		for _, s := range shares {
			s.End()
			if s.Take(gone, 1, 0) == nil {
				t.Fatal("a share takes something after its end")
			}
		}
		_, all := m.Begin(context.Background())
		if m.InUse() != 0 || all.Take(gone, 2*limit, 0) != nil {
			t.Fatalf("%d are still in use", m.InUse())
		}
	})
}

// Light answers do not wait behind heavy ones; heavy ones wait, for so long in all.
func TestMemoryIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := quota.NewMemory(1000, time.Second)
		_, first := m.Begin(t.Context())
		ctx, second := m.Begin(t.Context())
		_, light := m.Begin(t.Context())
		if first.Take(t.Context(), 5000, 0) != nil || light.Take(t.Context(), 100, 0) != nil {
			t.Fatal("there is room")
		}
		began := time.Now()
		var full *quota.FullError
		if err := quota.Of(ctx).Take(ctx, 500, 0); !errors.As(err, &full) || full.Limit != 1000 || time.Since(began) != time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		_, third := m.Begin(t.Context())
		taken := make(chan error, 1)
		go func() { taken <- third.Take(t.Context(), 500, 0) }()
		synctest.Wait()
		first.Keep(200)
		if err := <-taken; err != nil || m.InUse() != 200+100+500 {
			t.Errorf("%v, %d in use", err, m.InUse())
		}
		left, leave := context.WithCancel(t.Context())
		leave()
		if err := second.Take(left, 700, 0); !errors.Is(err, context.Canceled) {
			t.Errorf("who left is told %v", err)
		}
	})
}

// Work that nobody asked for is not counted.
func TestNoShare(t *testing.T) {
	s := quota.Of(t.Context())
	if s.Take(t.Context(), 1<<40, 1) != nil {
		t.Error("it waits")
	}
	s.Answers(1, 1)
	s.Free()
	ctx, cancel := s.Waiting(t.Context())
	defer cancel()
	if _, ends := ctx.Deadline(); ends {
		t.Error("it ends")
	}
}
