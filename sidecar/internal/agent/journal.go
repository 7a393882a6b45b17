package agent

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/podflame/podflame/sidecar/internal/safefile"
	"github.com/podflame/podflame/sidecar/internal/session"
	"github.com/podflame/podflame/sidecar/internal/target"
)

// journal is what the sidecar must remember of JVMs over its own restart, and
// must not believe the shared volume about.
type journal struct {
	path  string
	clock Clock
	boot  string // names the boot of the kernel
	mu    sync.Mutex
	data  journalData
}

type journalData struct {
	JVMs    map[string]entry `json:"jvms"`    // by target.Process.Key
	Crashes map[string]crash `json:"crashes"` // by container and main class
}

type entry struct {
	// Start is the JVM's start as it was computed first. The kernel's boot time
	// moves with the clock, and the start is part of the series' identity.
	Start time.Time `json:"start"`
	Boot  string    `json:"boot,omitempty"` // of the kernel that it ran under
	Seen  time.Time `json:"seen"`
	// Until is when a sidecar of version 0.1 ended its session.
	Until time.Time `json:"until,omitzero"`
	// Signalled is when a SIGQUIT was sent that the JVM has not answered.
	Signalled time.Time `json:"signalled,omitzero"`
	// Marker is what the marker in the JVM's directory should hold.
	Marker session.Marker `json:"marker,omitzero"`
}

// crash is the breaker: JVMs of this kind are not attached to again.
type crash struct {
	At  time.Time `json:"at"`
	Op  string    `json:"op"`
	PID int       `json:"pid"`
	// Verdict is empty of versions before there was one.
	Verdict verdict `json:"verdict,omitempty"`
	// Evidence is what makes it a crash, in words.
	Evidence string `json:"evidence,omitempty"`
}

func (c crash) String() string {
	text := fmt.Sprintf("process %d after %s at %s: %s", c.PID, cmp.Or(c.Op, "no command"), c.At.Format(time.RFC3339), c.Evidence)
	if c.Verdict == undecided {
		text += " (undecided: it may be the application's own crash)"
	}
	return text
}

const (
	maxJournalBytes   = 4 << 20
	maxJournalEntries = 256
	startTolerance    = 2 * time.Second
	crashMemory       = 24 * time.Hour
)

func openJournal(path string, clock Clock) (*journal, error) {
	j := &journal{path: path, clock: clock, boot: bootID(), data: journalData{JVMs: map[string]entry{}, Crashes: map[string]crash{}}}
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
	if !ok || !j.same(e, p) {
		e = entry{Start: p.Start.Truncate(time.Millisecond).UTC(), Boot: j.boot, Seen: j.clock.Now(), Signalled: e.Signalled}
		j.data.JVMs[p.Key()] = e
		_ = j.save()
	}
	return e.Start
}

// same says whether an entry is of that very process, and not of one that had
// the same pid and the same age at another boot. The time of its start says so
// only until the clock is set.
func (j *journal) same(e entry, p target.Process) bool {
	if e.Boot != "" && j.boot != "" {
		return e.Boot == j.boot
	}
	return e.Start.Sub(p.Start).Abs() <= startTolerance
}

func bootID() string {
	id, err := safefile.Read("/proc/sys/kernel/random/boot_id", 64)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

// keep remembers a JVM's marker, as a copy: its worker goes on writing it while
// the journal is saved for another JVM.
func (j *journal) keep(p target.Process, m session.Marker) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.data.JVMs[p.Key()]
	e.Marker, e.Seen, e.Until = m.Clone(), j.clock.Now(), time.Time{}
	j.data.JVMs[p.Key()] = e
	_ = j.save()
}

// recall returns the marker of a JVM; false if none is remembered.
func (j *journal) recall(p target.Process) (session.Marker, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.data.JVMs[p.Key()]
	if e.Marker.Schema == 0 && !e.Until.IsZero() {
		return session.Marker{Accounted: e.Until}, true
	}
	return e.Marker.Clone(), e.Marker.Schema == session.Schema
}

// forget drops a JVM that has ended and been read.
func (j *journal) forget(p target.Process) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.data.JVMs, p.Key())
	_ = j.save()
}

// Signalled implements asprof.Memory.
func (j *journal) Signalled(p target.Process) time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.data.JVMs[p.Key()].Signalled
}

// SetSignalled implements asprof.Memory.
func (j *journal) SetSignalled(p target.Process, at time.Time) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	before := j.data.JVMs[p.Key()]
	after := before
	after.Signalled, after.Seen = at, j.clock.Now()
	j.data.JVMs[p.Key()] = after
	err := j.save()
	if err != nil {
		j.data.JVMs[p.Key()] = before
	}
	return err
}

// kind is what a JVM has in common with the one that replaces it.
func kind(p target.Process) string { return p.Container + "/" + p.MainClass }

func (j *journal) crashed(p target.Process, op string, v verdict, evidence string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.data.Crashes[kind(p)] = crash{At: j.clock.Now(), Op: op, PID: p.PID, Verdict: v, Evidence: evidence}
	_ = j.save()
}

// crash returns the crash for which a JVM is left alone.
func (j *journal) crash(p target.Process) (crash, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	c, ok := j.data.Crashes[kind(p)]
	return c, ok && j.clock.Now().Sub(c.At) < crashMemory
}

// save writes the journal. Where its error is left out, a failure costs what it
// would have remembered and nothing else: the state directory is ours alone, and
// the spool in it will report that it cannot be written.
func (j *journal) save() error {
	for len(j.data.JVMs) > maxJournalEntries {
		j.dropOldest()
	}
	for key, c := range j.data.Crashes {
		if j.clock.Now().Sub(c.At) >= crashMemory {
			delete(j.data.Crashes, key)
		}
	}
	content, err := json.Marshal(j.data)
	if err != nil {
		return fmt.Errorf("encode journal: %w", err)
	}
	return safefile.Write(j.path, content, 0o600)
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
