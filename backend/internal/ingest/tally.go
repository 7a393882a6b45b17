package ingest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/access"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/reason"
)

// Health returns what ingest did since this process started, for the namespaces
// in the scope of the context. Of the store it knows only how long inserts take.
func (in *Ingest) Health(ctx context.Context) api.IngestHealth {
	s, _ := access.From(ctx)
	h := in.tally.health(in.Now(), s)
	h.BytesInFlight, h.BytesInFlightLimit = in.bodies.inUse(), in.Limits.BytesInFlight
	h.Refusals = in.refused.list(s)
	return h
}

const (
	tallyMinutes    = 60
	tallyDurations  = 1024 // latest inserts
	tallyNamespaces = 1000 // the one that was silent for longest makes room for another
	// unnamed is what cannot be told by namespace: uploads of an unknown sender, and of
	// namespaces that made room.
	unnamed = ""
)

// tally keeps the numbers of Health in a bounded amount of memory.
type tally struct {
	since time.Time

	mu        sync.Mutex
	of        map[string]*namespaceTally
	uses      uint64
	durations []time.Duration
	next      int
}

// namespaceTally holds the numbers of one namespace.
type namespaceTally struct {
	uses                 uint64 // of the tally, at the last one of this
	accepted, duplicates int64
	refusals             map[store.EventOutcome]map[profile.Reason]int64
	minutes              [tallyMinutes]minute // by Unix minute modulo its length
}

type minute struct {
	at     int64 // Unix minute
	losses []profile.Loss
}

func newTally(now time.Time) *tally {
	return &tally{since: now, of: map[string]*namespaceTally{}}
}

// in calls change with the numbers of a namespace.
func (t *tally) in(namespace string, change func(*namespaceTally)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of[namespace] == nil && len(t.of) >= tallyNamespaces {
		t.makeRoom()
	}
	n := t.namespace(namespace)
	t.uses++
	n.uses = t.uses
	change(n)
}

func (t *tally) namespace(name string) *namespaceTally {
	if t.of[name] == nil {
		t.of[name] = &namespaceTally{refusals: map[store.EventOutcome]map[profile.Reason]int64{store.Rejected: {}, store.Retryable: {}}}
	}
	return t.of[name]
}

// makeRoom counts what was of the namespace that was silent for longest under unnamed:
// namespaces come and go for as long as the backend runs.
func (t *tally) makeRoom() {
	silent := ""
	for name, n := range t.of {
		if name != unnamed && (silent == "" || n.uses < t.of[silent].uses) {
			silent = name
		}
	}
	if silent == "" {
		return
	}
	rest, gone := t.namespace(unnamed), t.of[silent]
	delete(t.of, silent)
	rest.accepted, rest.duplicates = rest.accepted+gone.accepted, rest.duplicates+gone.duplicates
	for outcome, by := range gone.refusals {
		add(rest.refusals[outcome], by)
	}
	for i, m := range gone.minutes {
		rest.minutes[i].merge(m)
	}
}

// merge enters another minute of the same place. The later one stays.
func (m *minute) merge(o minute) {
	switch {
	case o.at > m.at:
		*m = o
	case o.at == m.at:
		m.losses = profile.AddLosses(m.losses, o.losses...)
	}
}

func (t *tally) accepted(namespace string) {
	t.in(namespace, func(n *namespaceTally) { n.accepted++ })
}

func (t *tally) duplicate(namespace string) {
	t.in(namespace, func(n *namespaceTally) { n.duplicates++ })
}

func (t *tally) refused(namespace string, o store.EventOutcome, r profile.Reason) {
	t.in(namespace, func(n *namespaceTally) { n.refusals[o][r]++ })
}

// lost enters a loss whose reason is known.
func (t *tally) lost(now time.Time, namespace string, l profile.Loss) {
	at := now.Unix() / 60
	t.in(namespace, func(n *namespaceTally) {
		m := &n.minutes[at%tallyMinutes]
		if m.at != at {
			*m = minute{at: at}
		}
		m.losses = profile.AddLosses(m.losses, l)
	})
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

func (t *tally) health(now time.Time, s access.Scope) api.IngestHealth {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := api.IngestHealth{Since: t.since.UTC()}
	rejected, retryable := map[profile.Reason]int64{}, map[profile.Reason]int64{}
	var losses []profile.Loss
	for name, n := range t.of {
		if !s.Allows(name) {
			continue
		}
		h.Accepted += n.accepted
		h.Duplicates += n.duplicates
		add(rejected, n.refusals[store.Rejected])
		add(retryable, n.refusals[store.Retryable])
		for _, m := range n.minutes {
			if m.at > now.Unix()/60-tallyMinutes {
				losses = profile.AddLosses(losses, m.losses...)
			}
		}
	}
	h.Rejected, h.Retryable, h.Losses = counts(rejected), counts(retryable), api.Losses(losses)
	if sorted := slices.Sorted(slices.Values(t.durations)); len(sorted) > 0 {
		h.Store.InsertP50MS = milliseconds(sorted[len(sorted)/2])
		h.Store.InsertP99MS = milliseconds(sorted[len(sorted)*99/100])
	}
	return h
}

func add(to, from map[profile.Reason]int64) {
	for r, n := range from {
		to[r] += n
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// counts lists the reasons in the order of reason.Profiling.
func counts(by map[profile.Reason]int64) []api.ReasonCount {
	list := []api.ReasonCount{}
	for _, text := range reason.Profiling() {
		if n := by[text.Reason]; n > 0 {
			list = append(list, api.ReasonCount{ReasonText: text, Count: n})
		}
	}
	return list
}
