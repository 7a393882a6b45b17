package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/safefile"
	"github.com/podflame/podflame/sidecar/internal/timeline"
)

// Schema is the version of the marker that this sidecar writes. It reads the
// one before, too.
const (
	Schema    = 2
	oldSchema = 1 // without phases
)

const (
	maxMarkerBytes = 64 << 10
	// maxRecordings bounds the recordings of one JVM that wait to be read: the
	// one that is written and those it has replaced.
	maxRecordings = 8
)

// Marker is what one sidecar leaves for the next one.
type Marker struct {
	Schema     int    `json:"schema"`
	PID        int    `json:"pid"`
	StartTicks uint64 `json:"startTicks"`
	Target     Target `json:"target"`
	Library    string `json:"library"` // in which the session runs
	Owner      string `json:"owner"`   // instance of the sidecar
	// Serial counts the changes by owners, whatever their clocks say; 0 of version 0.1.
	Serial    int64     `json:"serial,omitempty"`
	Heartbeat time.Time `json:"heartbeat"`
	// Zero is what the clock would have shown at the boot of the kernel; it changes
	// when the clock is set.
	Boot string    `json:"boot,omitempty"` // names that boot
	Zero time.Time `json:"zero"`
	// Accounted is up to when the time of the JVM is told: as recorded or as lost.
	Accounted time.Time `json:"accounted"`
	// Owed are spans before that in which a session ran, and of which the
	// recording has not been read.
	Owed       []profile.Span `json:"owed,omitempty"`
	Pace       Pace           `json:"pace,omitzero"`
	Skips      Skips          `json:"skips,omitzero"`
	Recordings []Recording    `json:"recordings"` // oldest first
}

// Pace is how the JVM is sampled more seldom than was asked for.
type Pace struct {
	CPU        int64     `json:"cpu,omitempty"`        // ns of CPU time between two samples; 0: as asked for
	Alloc      int64     `json:"alloc,omitempty"`      // bytes
	Lock       int64     `json:"lock,omitempty"`       // ns of waiting
	NativeMem  int64     `json:"nativeMem,omitempty"`  // bytes
	NativeLock int64     `json:"nativeLock,omitempty"` // ns of waiting
	Changed    time.Time `json:"changed,omitzero"`     // the last time
	New        []string  `json:"new,omitempty"`        // events whose interval has changed since the last recording was asked for
}

// Newer says whether another owner has changed the marker since o was written.
func (m Marker) Newer(o Marker) bool {
	if m.Serial == 0 || o.Serial == 0 {
		return m.Owner != o.Owner && m.Heartbeat.After(o.Heartbeat)
	}
	return m.Owner != o.Owner && m.Serial > o.Serial
}

// Clone returns a copy that shares nothing with m.
func (m Marker) Clone() Marker {
	m.Owed, m.Recordings, m.Pace.New = slices.Clone(m.Owed), slices.Clone(m.Recordings), slices.Clone(m.Pace.New)
	for i := range m.Recordings {
		r := &m.Recordings[i]
		r.Steps, r.Events, r.Adapted = slices.Clone(r.Steps), slices.Clone(r.Events), slices.Clone(r.Adapted)
	}
	return m
}

// maxEvents bounds the events of one recording that are believed.
const maxEvents = 16

// maxSteps bounds the steps of the clock of one recording; more count as one.
const maxSteps = 16

// ClockSet enters a step of the clock, in the time before it.
func (m *Marker) ClockSet(s timeline.Step) {
	for _, t := range []*time.Time{&m.Heartbeat, &m.Accounted, &m.Zero, &m.Pace.Changed} {
		if !t.IsZero() {
			*t = t.Add(s.By)
		}
	}
	for i := range m.Owed {
		m.Owed[i].Start, m.Owed[i].End = m.Owed[i].Start.Add(s.By), m.Owed[i].End.Add(s.By)
	}
	for i := range m.Recordings {
		m.Recordings[i].clockSet(s)
	}
}

func (r *Recording) clockSet(s timeline.Step) {
	if r.Phase != Ended {
		s.From, s.To = s.From.Add(-r.Shift), s.To.Add(-r.Shift)
		if n := len(r.Steps); n >= maxSteps {
			last := &r.Steps[n-1]
			last.To, last.By = s.To, last.By+s.By
		} else {
			r.Steps = append(r.Steps, s)
		}
	}
	r.Shift += s.By
}

// Target is what could not be found out about a JVM that has ended.
type Target struct {
	Container  string    `json:"container,omitempty"`
	JVMStart   time.Time `json:"jvmStart"`
	JVMVersion string    `json:"jvmVersion,omitempty"`
	MainClass  string    `json:"mainClass,omitempty"`
}

// Recording is one session with its file.
type Recording struct {
	Session  string         `json:"session"`
	Phase    Phase          `json:"phase"`
	Begun    bool           `json:"begun,omitempty"`   // of the old schema: it was seen to run
	Options  string         `json:"options"`           // with which it was begun
	Events   []string       `json:"events,omitempty"`  // that it records
	Adapted  []string       `json:"adapted,omitempty"` // events whose interval is another one than in the recording before, by the sampling budget
	Window   time.Duration  `json:"window,omitempty"`  // length of its windows
	Started  time.Time      `json:"started"`           // when it was asked for
	Cut      time.Time      `json:"cut"`               // end of its first window, which is shorter than others
	Expires  time.Time      `json:"expires"`           // when the session ends by itself
	Consumed int64          `json:"consumed"`          // bytes of the file that are in the spool as windows
	Kept     int64          `json:"kept"`              // bytes at the start of the file that are never punched out
	Through  time.Time      `json:"through"`           // end of the last window made of it
	Written  time.Time      `json:"written"`           // end of the last chunk that was read
	Until    time.Time      `json:"until"`             // when it was known to have ended
	Why      profile.Reason `json:"why,omitempty"`     // it ended
	// Shift is by how much the clock was set since the recording was begun: from
	// its times, which are all of the clock at its beginning, to ours.
	Shift    time.Duration    `json:"shift,omitempty"`
	Steps    []timeline.Step  `json:"steps,omitempty"` // of the clock, while it was written
	Alive    time.Time        `json:"alive"`           // when the JVM was last known to write it
	Settings profile.Settings `json:"settings"`        // from the first chunk
	// Skipped are those of Skips that were told, of sidecars before there were Skips.
	Skipped int64 `json:"skipped,omitempty"`
}

// ErrNoMarker means that there is no marker that can be used. The error that
// wraps it says why.
var ErrNoMarker = errors.New("no usable session marker")

// ReadMarker reads the marker of the process with that pid and start. Nothing
// in it is believed that could make us act outside of the directory.
func (d Dir) ReadMarker(pid int, startTicks uint64) (Marker, error) {
	content, err := safefile.Read(d.Marker(), maxMarkerBytes)
	if err != nil {
		return Marker{}, fmt.Errorf("%w: %w", ErrNoMarker, err)
	}
	var m Marker
	if err := json.Unmarshal(content, &m); err != nil {
		return Marker{}, fmt.Errorf("%w: parse %s: %w", ErrNoMarker, d.Marker(), err)
	}
	if err := m.check(pid, startTicks); err != nil {
		return Marker{}, fmt.Errorf("%w: %s: %w", ErrNoMarker, d.Marker(), err)
	}
	return m, nil
}

func (m *Marker) check(pid int, startTicks uint64) error {
	if m.Schema == oldSchema {
		m.addPhases()
	}
	m.gatherSkips()
	switch {
	case m.Schema != Schema:
		return fmt.Errorf("schema %d is not %d", m.Schema, Schema)
	case m.PID != pid || m.StartTicks != startTicks:
		return fmt.Errorf("it is of process %d-%d, not %d-%d", m.PID, m.StartTicks, pid, startTicks)
	case !sound(m.Owed):
		return errors.New("the time that it owes is impossible")
	case !m.Skips.valid():
		return fmt.Errorf("%d skipped samples are told of %d", m.Skips.Told, m.Skips.Counted)
	case len(m.Pace.New) > maxEvents:
		return fmt.Errorf("%d changed intervals are more than %d", len(m.Pace.New), maxEvents)
	case len(m.Recordings) > maxRecordings:
		return fmt.Errorf("%d recordings are more than %d", len(m.Recordings), maxRecordings)
	}
	live := 0
	for _, r := range m.Recordings {
		if !validID(r.Session) || r.Consumed < 0 || r.Kept < 0 || !r.Phase.valid() || len(r.Steps) > maxSteps || len(r.Events) > maxEvents || len(r.Adapted) > maxEvents || r.Window%time.Second != 0 || r.Window < 0 {
			return fmt.Errorf("recording %.40q has impossible values", r.Session)
		}
		if r.Phase != Ended {
			live++
		}
	}
	if live > 1 {
		return fmt.Errorf("%d recordings have not ended", live)
	}
	return nil
}

// gatherSkips reads a marker of before there were Skips.
func (m *Marker) gatherSkips() {
	for i := range m.Recordings {
		if told := m.Recordings[i].Skipped; told > m.Skips.Counted {
			m.Skips = Skips{Known: true, Counted: told, Told: told}
		}
		m.Recordings[i].Skipped = 0
	}
}

// sound says whether spans follow each other.
func sound(spans []profile.Span) bool {
	for i, s := range spans {
		if !s.Start.Before(s.End) || i > 0 && s.Start.Before(spans[i-1].End) {
			return false
		}
	}
	return true
}

func (p Phase) valid() bool { return p == Asked || p == Running || p == Ended }

// addPhases reads the old schema, in which none but the last recording could be
// active.
func (m *Marker) addPhases() {
	m.Schema = Schema
	for i := range m.Recordings {
		r := &m.Recordings[i]
		switch {
		case i < len(m.Recordings)-1:
			r.Phase = Ended
		case r.Begun:
			r.Phase = Running
		default:
			r.Phase = Asked
		}
		r.Begun = false
	}
}

// WriteMarker replaces the marker.
func (d Dir) WriteMarker(m Marker) error {
	content, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode session marker: %w", err)
	}
	if err := safefile.Write(d.Marker(), content, 0o644); err != nil {
		return fmt.Errorf("write session marker: %w", err)
	}
	return nil
}

// Find returns the recording of a session, or nil.
func (m *Marker) Find(id string) *Recording {
	for i := range m.Recordings {
		if m.Recordings[i].Session == id {
			return &m.Recordings[i]
		}
	}
	return nil
}
