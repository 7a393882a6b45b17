package main

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/storetest"
	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/backend/profile/profiletest"
)

func wantNotReady(t *testing.T, err error) {
	t.Helper()
	if e, ok := errors.AsType[*api.Error](err); !ok || e.Code != profile.StoreUnavailable || e.RetryAfter == 0 {
		t.Errorf("ready = %v, want %s with a time to try again", err, profile.StoreUnavailable)
	}
}

// A store so large that its health cannot be summed up in the time for a query
// still takes windows, so it is ready.
func TestReadyWhateverHealthCosts(t *testing.T) {
	s := storetest.Open(t, func(c *store.Config) { c.Limits.QueryRows = 1 })
	db := &database{Store: s}
	ready := db.ready(db.Ping)
	wantNotReady(t, ready(t.Context()))
	db.migrated.Store(true)
	w := profiletest.Window(profiletest.Options{Start: time.Now().Add(-3 * time.Hour).Truncate(time.Minute)})
	if _, err := s.Insert(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if h := s.Health(t.Context()); !h.Reachable || h.Error == "" {
		t.Fatal("the health was to be more than a query may read")
	}
	err := ready(t.Context())
	for deadline := time.Now().Add(patience); err != nil && time.Now().Before(deadline); err = ready(t.Context()) {
		time.Sleep(20 * time.Millisecond) // the machine may be busy
	}
	if err != nil {
		t.Errorf("ready = %v", err)
	}
}

func TestReadyAsksOnceForAll(t *testing.T) {
	db := &database{}
	db.migrated.Store(true)
	pings, down := make(chan struct{}, 100), make(chan struct{})
	ready := db.ready(func(context.Context) error {
		pings <- struct{}{}
		<-down
		return errors.New("connection refused")
	})
	impatient, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { wantNotReady(t, ready(impatient)) })
	<-pings
	leave()
	wg.Wait()
	for range 5 {
		wg.Go(func() {
			short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			wantNotReady(t, ready(short))
		})
	}
	wg.Wait()
	if len(pings) != 0 {
		t.Errorf("%d more pings while one is under way", len(pings))
	}
	close(down)
}
