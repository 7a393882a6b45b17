package session

import "fmt"

// Phase is how far a recording is. Only one that has ended may be removed.
type Phase string

// The phases.
const (
	Asked   Phase = "asked"   // its begin was asked for and not answered: it may run, or run later
	Running Phase = "running" // the JVM was seen to write it
	Ended   Phase = "ended"   // the JVM does not write it any more, and never will

	none Phase = "" // of a recording that is not known, or no more
)

// Event is what has become known of the recordings of a JVM.
type Event string

// The events. The first five are of one recording, the others of all.
const (
	Ask     Event = "ask"     // the profiler is about to be told to begin it
	Begun   Event = "begun"   // the profiler has answered that it began
	Refused Event = "refused" // the profiler has answered that it did not
	Seen    Event = "seen"    // the JVM has it open, and so no other one
	Read    Event = "read"    // all that it holds is in the spool

	Unseen  Event = "unseen"  // the JVM has none open
	Settled Event = "settled" // it has none open and has answered a later command: what was asked for will not begin
	Stopped Event = "stopped" // the profiler has answered that it does not record
	Gone    Event = "gone"    // the JVM has ended
)

// transitions is the whole machine: what is not in it is refused.
var transitions = map[Event]map[Phase]Phase{
	Ask:     {none: Asked},
	Begun:   {Asked: Running},
	Refused: {Asked: Ended},
	Seen:    {none: Running, Asked: Running, Running: Running, Ended: Running},
	Read:    {Ended: none},
	Unseen:  {Asked: Asked, Running: Ended, Ended: Ended},
	Settled: {Asked: Ended, Running: Ended, Ended: Ended},
	Stopped: {Asked: Ended, Running: Ended, Ended: Ended},
	Gone:    {Asked: Ended, Running: Ended, Ended: Ended},
}

// ofAll says whether an event is of all recordings.
func (e Event) ofAll() bool {
	switch e {
	case Unseen, Settled, Stopped, Gone:
		return true
	}
	return false
}

// Apply enters what has become known of a recording, or of all of them. An error
// leaves the marker as it was. There is never more than one recording that has
// not ended.
func (m *Marker) Apply(e Event, id string) error {
	if e.ofAll() {
		for i := range m.Recordings {
			m.Recordings[i].Phase = transitions[e][m.Recordings[i].Phase]
		}
		return nil
	}
	phase := none
	if r := m.Find(id); r != nil {
		phase = r.Phase
	}
	next, ok := transitions[e][phase]
	switch {
	case !ok:
		return fmt.Errorf("recording %s is %q, which %q cannot follow", id, phase, e)
	case e == Ask && m.Live() != nil:
		return fmt.Errorf("recording %s is asked for while %s is %q", id, m.Live().Session, m.Live().Phase)
	case next == none:
		m.drop(id)
		return nil
	case phase == none:
		if err := m.add(id); err != nil {
			return err
		}
	}
	if e == Seen {
		_ = m.Apply(Stopped, "") // the others
	}
	m.Find(id).Phase = next
	return nil
}

// Live is the recording that the JVM writes or may write; nil if there is none.
func (m *Marker) Live() *Recording {
	for i := range m.Recordings {
		if m.Recordings[i].Phase != Ended {
			return &m.Recordings[i]
		}
	}
	return nil
}

// Session is the session that was seen to run; empty if there is none.
func (m *Marker) Session() string {
	if r := m.Live(); r != nil && r.Phase == Running {
		return r.Session
	}
	return ""
}

// add appends a recording. It fails if too many wait to be read.
func (m *Marker) add(id string) error {
	if len(m.Recordings) >= maxRecordings {
		return fmt.Errorf("%d recordings wait to be read, which is the limit", maxRecordings)
	}
	m.Recordings = append(m.Recordings, Recording{Session: id})
	return nil
}

func (m *Marker) drop(id string) {
	kept := m.Recordings[:0]
	for _, r := range m.Recordings {
		if r.Session != id {
			kept = append(kept, r)
		}
	}
	m.Recordings = kept
}
