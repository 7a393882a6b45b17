package ingest

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
)

// Stats is what ingest did since this process started.
type Stats struct {
	Since                    time.Time
	Accepted, Duplicates     int64
	Rejected, Retryable      map[profile.Reason]int64
	Losses                   []profile.Loss // of accepted windows in the last hour; Value is 0
	InsertP50, InsertP99     time.Duration  // of the latest inserts; 0 if there was none
	BytesInFlight, FlightMax int64
}

// Stats returns what ingest did.
func (in *Ingest) Stats() Stats {
	s := in.tally.stats(in.Now())
	s.FlightMax = in.Limits.BytesInFlight
	return s
}

const (
	tallyMinutes   = 60
	tallyDurations = 1024 // latest inserts
)

// tally keeps the numbers of Stats in a fixed amount of memory.
type tally struct {
	since                          time.Time
	accepted, duplicates, inFlight atomic.Int64

	mu        sync.Mutex
	refusals  map[store.EventOutcome]map[profile.Reason]int64
	minutes   [tallyMinutes]minute // by Unix minute modulo its length
	durations []time.Duration
	next      int
}

type minute struct {
	at     int64 // Unix minute
	losses []profile.Loss
}

func newTally(now time.Time) *tally {
	return &tally{since: now, refusals: map[store.EventOutcome]map[profile.Reason]int64{
		store.Rejected: {}, store.Retryable: {},
	}}
}

func (t *tally) refused(o store.EventOutcome, r profile.Reason) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refusals[o][r]++
}

func (t *tally) inserted(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.durations) < tallyDurations {
		t.durations = append(t.durations, d)
		return
	}
	t.durations[t.next] = d
	t.next = (t.next + 1) % tallyDurations
}

// lost enters a loss whose reason is known.
func (t *tally) lost(now time.Time, l profile.Loss) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := now.Unix() / 60
	m := &t.minutes[at%tallyMinutes]
	if m.at != at {
		*m = minute{at: at}
	}
	m.losses = profile.AddLosses(m.losses, l)
}

func (t *tally) stats(now time.Time) Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := Stats{
		Since: t.since, Accepted: t.accepted.Load(), Duplicates: t.duplicates.Load(), BytesInFlight: t.inFlight.Load(),
		Rejected: map[profile.Reason]int64{}, Retryable: map[profile.Reason]int64{},
	}
	for r, n := range t.refusals[store.Rejected] {
		s.Rejected[r] = n
	}
	for r, n := range t.refusals[store.Retryable] {
		s.Retryable[r] = n
	}
	for _, m := range t.minutes {
		if m.at > now.Unix()/60-tallyMinutes {
			s.Losses = profile.AddLosses(s.Losses, m.losses...)
		}
	}
	if sorted := slices.Sorted(slices.Values(t.durations)); len(sorted) > 0 {
		s.InsertP50, s.InsertP99 = sorted[len(sorted)/2], sorted[len(sorted)*99/100]
	}
	return s
}
