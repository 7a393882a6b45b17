// Package account keeps the CPU time that the kernel charged to a process at
// the moments at which its recording was cut, so that each window can carry it
// beside what the profiler counted.
package account

import (
	"slices"
	"time"
)

const (
	// maxCuts bounds the moments that are kept, oldest first out. A window is
	// made of the chunks since the last one; a recording that nobody has read
	// for longer has no account.
	maxCuts = 64
	// slack is how far the clock of the recording may be from ours: both are the
	// node's, read with different precision.
	slack = 2 * time.Millisecond
)

// Account is that of one process. It is not safe for concurrent use.
type Account struct {
	read func() (time.Duration, error)
	cuts []cut
}

// cut is a command that may have ended a chunk, at some moment between from
// and to.
type cut struct {
	from, to reading
}

type reading struct {
	at  time.Time
	cpu time.Duration
}

// New returns an account without any moment. read returns the CPU time of the
// process since it started.
func New(read func() (time.Duration, error)) *Account { return &Account{read: read} }

// Around runs a command that may cut the recording.
func (a *Account) Around(command func()) {
	before, err := a.reading()
	command()
	after, errAfter := a.reading()
	if err != nil || errAfter != nil {
		return
	}
	if len(a.cuts) >= maxCuts {
		a.cuts = slices.Delete(a.cuts, 0, 1)
	}
	a.cuts = append(a.cuts, cut{before, after})
}

func (a *Account) reading() (reading, error) {
	cpu, err := a.read()
	return reading{time.Now().Round(0), cpu}, err // without the monotonic clock: recordings have none
}

// Between returns the CPU time that the process was charged from one cut of its
// recording to a later one, or nil if it is not known: one of them was not made
// by a command that ran in Around.
func (a *Account) Between(from, to time.Time) *time.Duration {
	start, ok := a.at(from)
	end, known := a.at(to)
	if !ok || !known || end < start || !from.Before(to) {
		return nil
	}
	return new(end - start)
}

// at returns the CPU time at a cut. What the process used while the command ran
// is shared by time: a slow command takes seconds.
func (a *Account) at(t time.Time) (time.Duration, bool) {
	for _, c := range slices.Backward(a.cuts) {
		took := c.to.at.Sub(c.from.at)
		since := t.Sub(c.from.at)
		if since < -slack || since > took+slack {
			continue
		}
		if since <= 0 || took <= 0 {
			return c.from.cpu, true
		}
		share := min(1, float64(since)/float64(took))
		return c.from.cpu + time.Duration(share*float64(c.to.cpu-c.from.cpu)), true
	}
	return 0, false
}
