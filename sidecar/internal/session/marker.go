package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/safefile"
)

// Schema is the version of the marker that this sidecar writes and reads.
const Schema = 1

const (
	maxMarkerBytes = 64 << 10
	// maxRecordings bounds the recordings of one JVM that wait to be read: the
	// one that is written and those it has replaced.
	maxRecordings = 8
)

// Marker is what one sidecar leaves for the next one.
type Marker struct {
	Schema     int         `json:"schema"`
	PID        int         `json:"pid"`
	StartTicks uint64      `json:"startTicks"`
	Target     Target      `json:"target"`
	Library    string      `json:"library"` // in which the session runs
	Owner      string      `json:"owner"`   // instance of the sidecar
	Heartbeat  time.Time   `json:"heartbeat"`
	Recordings []Recording `json:"recordings"` // oldest first; only the last can be active
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
	Session  string           `json:"session"`
	Begun    bool             `json:"begun"`   // it was seen to run; before, its begin was only asked for
	Options  string           `json:"options"` // with which it was begun
	Started  time.Time        `json:"started"`
	Expires  time.Time        `json:"expires"`  // when the session ends by itself
	Consumed int64            `json:"consumed"` // bytes of the file that are in the spool as windows
	Kept     int64            `json:"kept"`     // bytes at the start of the file that are never punched out
	Through  time.Time        `json:"through"`  // end of the last window made of it
	Settings profile.Settings `json:"settings"` // from the first chunk
	Skipped  int64            `json:"skipped"`  // samples the profiler has skipped up to here
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
	switch {
	case m.Schema != Schema:
		return fmt.Errorf("schema %d is not %d", m.Schema, Schema)
	case m.PID != pid || m.StartTicks != startTicks:
		return fmt.Errorf("it is of process %d-%d, not %d-%d", m.PID, m.StartTicks, pid, startTicks)
	case len(m.Recordings) > maxRecordings:
		return fmt.Errorf("%d recordings are more than %d", len(m.Recordings), maxRecordings)
	}
	for _, r := range m.Recordings {
		if !validID(r.Session) || r.Consumed < 0 || r.Kept < 0 || r.Skipped < 0 {
			return fmt.Errorf("recording %.40q has impossible values", r.Session)
		}
	}
	return nil
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

// Add appends a recording. It fails if too many wait to be read.
func (m *Marker) Add(r Recording) error {
	if len(m.Recordings) >= maxRecordings {
		return fmt.Errorf("%d recordings wait to be read, which is the limit", maxRecordings)
	}
	m.Recordings = append(m.Recordings, r)
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

// Drop removes the recording of a session.
func (m *Marker) Drop(id string) {
	kept := m.Recordings[:0]
	for _, r := range m.Recordings {
		if r.Session != id {
			kept = append(kept, r)
		}
	}
	m.Recordings = kept
}
