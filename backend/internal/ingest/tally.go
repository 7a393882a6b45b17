package ingest

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
)

// Health returns what ingest did since this process started. Of the store it
// knows only how long inserts take.
func (in *Ingest) Health() api.IngestHealth {
	h := in.tally.health(in.Now())
	h.BytesInFlightLimit = in.Limits.BytesInFlight
	return h
}

const (
	tallyMinutes   = 60
	tallyDurations = 1024 // latest inserts
)

// tally keeps the numbers of Health in a fixed amount of memory.
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

func (t *tally) health(now time.Time) api.IngestHealth {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := api.IngestHealth{
		Since: t.since.UTC(), Accepted: t.accepted.Load(), Duplicates: t.duplicates.Load(), BytesInFlight: t.inFlight.Load(),
		Rejected: counts(t.refusals[store.Rejected]), Retryable: counts(t.refusals[store.Retryable]),
	}
	var losses []profile.Loss
	for _, m := range t.minutes {
		if m.at > now.Unix()/60-tallyMinutes {
			losses = profile.AddLosses(losses, m.losses...)
		}
	}
	h.Losses = api.Losses(losses)
	if sorted := slices.Sorted(slices.Values(t.durations)); len(sorted) > 0 {
		h.Store.InsertP50MS = milliseconds(sorted[len(sorted)/2])
		h.Store.InsertP99MS = milliseconds(sorted[len(sorted)*99/100])
	}
	return h
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// counts lists the reasons in the order of profile.ReasonTexts.
func counts(by map[profile.Reason]int64) []api.ReasonCount {
	list := []api.ReasonCount{}
	for _, text := range profile.ReasonTexts() {
		if n := by[text.Reason]; n > 0 {
			list = append(list, api.ReasonCount{ReasonText: text, Count: n})
		}
	}
	return list
}
