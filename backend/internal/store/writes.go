package store

import (
	"errors"
	"sync"
	"time"
)

const (
	// failingAfter is how long inserts must have failed, with none that succeeded,
	// before the store counts as not writable.
	failingAfter = 15 * time.Second
	// failingFor is how long the last failure counts: nobody may send any more.
	failingFor = 30 * time.Second
)

// writes are whether the latest inserts succeeded.
type writes struct {
	mu          sync.Mutex
	since, last time.Time // failures in a row
	err         error
}

// note enters the outcome of an insert. Only failures that are about ClickHouse
// count.
func (w *writes) note(err error, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		w.since, w.last, w.err = time.Time{}, time.Time{}, nil
		return
	}
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Class != Unavailable && e.Class != UnknownOutcome {
		return
	}
	if w.err == nil || now.Sub(w.last) > failingFor {
		w.since = now
	}
	w.last, w.err = now, err
}

// failing returns the latest error if inserts fail.
func (w *writes) failing(now time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil && w.last.Sub(w.since) >= failingAfter && now.Sub(w.last) <= failingFor {
		return w.err
	}
	return nil
}
