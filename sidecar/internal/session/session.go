// Package session decides what may be done with the profiler in a JVM, and
// keeps the record of it.
//
// The directory of a JVM lies in the volume that it shares with the sidecar. It
// holds the recordings, the marker and the owner's lock. The application can
// write all of it, so the marker is a claim and no proof: what proves a session
// of ours is that the JVM has one of our recordings open. The lock, which the
// kernel takes from a sidecar that dies, is what makes one sidecar at a time
// the owner.
package session

// State is what a JVM is to us.
type State string

// The states.
const (
	Free       State = "free"        // no profiler is active
	Owned      State = "owned"       // our session runs, begun by this sidecar
	Orphaned   State = "orphaned"    // our session runs, begun by an earlier sidecar
	Conflict   State = "conflict"    // somebody else's session runs, or another sidecar is at work
	LoadedIdle State = "loaded_idle" // a foreign profiler is loaded and does nothing
	Unknown    State = "unknown"     // a foreign profiler is loaded and cannot be asked
)

// Answer is what a profiler says about itself.
type Answer int

// The answers.
const (
	Unasked Answer = iota
	Idle
	Busy
	Unclear // it cannot be asked, or its answer makes no sense
)

// Evidence is what can be seen of profilers in a JVM.
type Evidence struct {
	Recording      bool   // the JVM has a recording of ours open
	Begun          bool   // by this very sidecar
	OwnLibrary     Answer // of our library without such a recording; Unasked if it is not loaded
	OtherOwner     bool   // another living sidecar holds the lock
	Foreign        int    // other profiler libraries that are loaded
	ForeignThreads int    // profiler threads that are not our session's
	ForeignAnswer  Answer // of the foreign libraries, the worst of them
}

// foreignActive says whether somebody else profiles. Our own library counts as
// foreign when it runs without a recording of ours: then somebody else uses it.
func (e Evidence) foreignActive() bool {
	return e.ForeignThreads > 0 || e.OwnLibrary == Busy || (e.Foreign > 0 && e.ForeignAnswer == Busy)
}

// Classify returns the state that the evidence proves. In doubt it is one in
// which nothing is begun.
func Classify(e Evidence) State {
	switch {
	case e.OtherOwner || e.foreignActive():
		return Conflict
	case e.Recording && e.Begun:
		return Owned
	case e.Recording:
		return Orphaned
	case e.OwnLibrary == Unclear || (e.Foreign > 0 && e.ForeignAnswer != Idle):
		return Unknown
	case e.Foreign > 0:
		return LoadedIdle
	}
	return Free
}

// Action is what to do next.
type Action int

// The actions.
const (
	Wait     Action = iota // leave the JVM alone and look again later
	Begin                  // a session
	Continue               // with our session
	Adopt                  // our session of an earlier sidecar
	Yield                  // end our session, because somebody else profiles
)

// String returns the action's name.
func (a Action) String() string {
	return [...]string{"wait", "begin", "continue", "adopt", "yield"}[a]
}

// Decide returns the action for the evidence. Somebody else's session always
// comes first: he asked for it at this moment, and two sessions would disturb
// each other.
func Decide(e Evidence) Action {
	switch Classify(e) {
	case Free, LoadedIdle:
		return Begin
	case Owned:
		return Continue
	case Orphaned:
		return Adopt
	case Conflict:
		if e.Recording && !e.OtherOwner {
			return Yield
		}
	}
	return Wait
}
