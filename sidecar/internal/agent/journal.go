package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/podflame/podflame/sidecar/internal/safefile"
	"github.com/podflame/podflame/sidecar/internal/target"
)

// journal is what the sidecar must remember of JVMs over its own restart, and
// must not believe the shared volume about.
type journal struct {
	path string
	mu   sync.Mutex
	data journalData
}

type journalData struct {
	JVMs    map[string]entry `json:"jvms"`    // by target.Process.Key
	Crashes map[string]crash `json:"crashes"` // by container and main class
}

type entry struct {
	// Start is the JVM's start as it was computed first. The kernel's boot time
	// moves with the clock, and the start is part of the series' identity.
	Start time.Time `json:"start"`
	// Until is when our session ended because the sidecar did; zero while it
	// runs.
	Until time.Time `json:"until"`
	Seen  time.Time `json:"seen"`
}

// crash is the breaker: JVMs of this kind are not attached to again.
type crash struct {
	At  time.Time `json:"at"`
	Op  string    `json:"op"`
	PID int       `json:"pid"`
}

const (
	maxJournalBytes   = 1 << 20
	maxJournalEntries = 256
	startTolerance    = 2 * time.Second
	crashMemory       = 24 * time.Hour
)

func openJournal(path string) (*journal, error) {
	j := &journal{path: path, data: journalData{JVMs: map[string]entry{}, Crashes: map[string]crash{}}}
	content, err := safefile.Read(path, maxJournalBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return j, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	var data journalData
	if json.Unmarshal(content, &data) == nil && data.JVMs != nil && data.Crashes != nil {
		j.data = data
	}
	return j, nil
}

// start returns the start of a JVM, the same for ever.
func (j *journal) start(p target.Process) time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	e, ok := j.data.JVMs[p.Key()]
	if !ok || e.Start.Sub(p.Start).Abs() > startTolerance {
		e = entry{Start: p.Start.Truncate(time.Millisecond).UTC(), Seen: time.Now()}
		j.data.JVMs[p.Key()] = e
		j.save()
	}
	return e.Start
}

// ended notes that our session in a JVM has ended with the sidecar.
func (j *journal) ended(p target.Process, at time.Time) { j.setUntil(p, at) }

// begun forgets that, and returns when it was.
func (j *journal) begun(p target.Process) (until time.Time) {
	j.mu.Lock()
	until = j.data.JVMs[p.Key()].Until
	j.mu.Unlock()
	if !until.IsZero() {
		j.setUntil(p, time.Time{})
	}
	return until
}

func (j *journal) setUntil(p target.Process, at time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.data.JVMs[p.Key()]
	e.Until, e.Seen = at, time.Now()
	j.data.JVMs[p.Key()] = e
	j.save()
}

// kind is what a JVM has in common with the one that replaces it.
func kind(p target.Process) string { return p.Container + "/" + p.MainClass }

func (j *journal) crashed(p target.Process, op string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.data.Crashes[kind(p)] = crash{At: time.Now(), Op: op, PID: p.PID}
	j.save()
}

// crash returns the crash for which a JVM is left alone.
func (j *journal) crash(p target.Process) (crash, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	c, ok := j.data.Crashes[kind(p)]
	return c, ok && time.Since(c.At) < crashMemory
}

// save writes the journal. A failure costs what it would have remembered and
// nothing else: the state directory is ours alone, and the spool in it will
// report that it cannot be written.
func (j *journal) save() {
	for len(j.data.JVMs) > maxJournalEntries {
		j.dropOldest()
	}
	for key, c := range j.data.Crashes {
		if time.Since(c.At) >= crashMemory {
			delete(j.data.Crashes, key)
		}
	}
	content, err := json.Marshal(j.data)
	if err == nil {
		_ = safefile.Write(j.path, content, 0o600)
	}
}

func (j *journal) dropOldest() {
	oldest := ""
	for key, e := range j.data.JVMs {
		if oldest == "" || e.Seen.Before(j.data.JVMs[oldest].Seen) {
			oldest = key
		}
	}
	delete(j.data.JVMs, oldest)
}
