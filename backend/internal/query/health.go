package query

import (
	"context"
	"sync"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/reason"
	"golang.org/x/sync/singleflight"
)

func (q *Query) ingestHealth(ctx context.Context, _ request) (any, error) {
	out := q.Uploads.Health(ctx)
	s := q.storeHealth(ctx)
	out.Store.Available, out.Store.Mode, out.Store.Version = s.Reachable, q.Mode, s.Version
	switch {
	case !s.Reachable:
		out.Store.Reason, out.Store.Message = profile.StoreUnavailable, s.Error
	case s.WriteError != "":
		out.Store.Available = false
		out.Store.Reason, out.Store.Message = profile.StoreUnavailable, s.WriteError
	case s.Error != "":
		out.Store.Message = "ClickHouse is too busy for its figures: " + s.Error
	}
	if q.Ended != nil {
		out.Store.Ended = q.Ended()
	}
	for _, t := range s.Tables {
		out.Store.ActiveParts += t.Parts
	}
	out.Store.DiskUsedBytes, out.Store.DiskFreeBytes, out.Store.DiskLimitBytes = s.Room.Used, s.Room.Free, s.Room.Limit
	out.Store.KeptSeconds = int64(q.Limits.Retention / time.Second)
	out.Store.GivenUp = []api.GivenUpDay{}
	for _, d := range s.Room.GivenUp {
		out.Store.GivenUp = append(out.Store.GivenUp, api.GivenUpDay{Day: d.Day.Format(time.DateOnly), Bytes: d.Bytes, At: d.At.UTC(), Reason: profile.StoreFull})
	}
	return out, nil
}

func (q *Query) reasons(context.Context, request) (any, error) {
	return api.Reasons{Reasons: reason.All()}, nil
}

// storeHealth is the state of the store, at most Limits.HealthFor old.
func (q *Query) storeHealth(ctx context.Context) store.Health { return q.health.get(ctx) }

// healthMemory asks the store once for everybody who wants to know at about
// the same time.
type healthMemory struct {
	prober Prober
	keep   time.Duration
	wait   time.Duration
	now    func() time.Time
	asking singleflight.Group

	mu    sync.Mutex
	asked time.Time
	last  store.Health
}

func newHealthMemory(prober Prober, limits Limits, now func() time.Time) *healthMemory {
	return &healthMemory{prober: prober, keep: limits.HealthFor, wait: limits.HealthWait, now: now}
}

func (m *healthMemory) get(ctx context.Context) store.Health {
	if h, ok := m.remembered(); ok {
		return h
	}
	answer := m.asking.DoChan("", func() (any, error) {
		// One who hangs up must not make the store look dead to the others.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.wait)
		defer cancel()
		h := m.prober.Health(ctx)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.last, m.asked = h, m.now()
		return h, nil
	})
	select {
	case a := <-answer:
		return a.Val.(store.Health)
	case <-ctx.Done():
		return store.Health{Error: "ClickHouse did not answer in time"}
	}
}

func (m *healthMemory) remembered() (store.Health, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last, !m.asked.IsZero() && m.now().Sub(m.asked) < m.keep
}
