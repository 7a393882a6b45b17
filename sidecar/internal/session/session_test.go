package session

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestClassify(t *testing.T) {
	tests := []struct {
		name     string
		evidence Evidence
		state    State
		action   Action
	}{
		{"nothing", Evidence{}, Free, Begin},
		{"our library, idle", Evidence{OwnLibrary: Idle}, Free, Begin},
		{"our library does not answer", Evidence{OwnLibrary: Unclear}, Unknown, Wait},
		{"our library, used by somebody else", Evidence{OwnLibrary: Busy}, Conflict, Wait},
		{"our session", Evidence{Recording: true, Begun: true}, Owned, Continue},
		{"our session, earlier sidecar", Evidence{Recording: true}, Orphaned, Adopt},
		{"our session, another sidecar at work", Evidence{Recording: true, OtherOwner: true}, Conflict, Wait},
		{"another sidecar at work", Evidence{OtherOwner: true}, Conflict, Wait},
		{"foreign library, idle", Evidence{Foreign: 1, ForeignAnswer: Idle}, LoadedIdle, Begin},
		{"foreign library, not asked", Evidence{Foreign: 1}, Unknown, Wait},
		{"foreign library, cannot be asked", Evidence{Foreign: 1, ForeignAnswer: Unclear}, Unknown, Wait},
		{"foreign library, running", Evidence{Foreign: 1, ForeignAnswer: Busy}, Conflict, Wait},
		{"foreign thread", Evidence{Foreign: 1, ForeignThreads: 1, ForeignAnswer: Idle}, Conflict, Wait},
		{"foreign session beside ours", Evidence{Foreign: 1, ForeignThreads: 1, Recording: true, Begun: true}, Conflict, Yield},
		{"foreign session beside our orphan", Evidence{Foreign: 1, ForeignThreads: 1, Recording: true}, Conflict, Yield},
		{"foreign library beside ours, not asked", Evidence{Foreign: 1, Recording: true, Begun: true}, Owned, Continue},
		{"foreign library idle, our orphan", Evidence{Foreign: 1, ForeignAnswer: Idle, Recording: true}, Orphaned, Adopt},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := Classify(test.evidence); got != test.state {
				t.Errorf("Classify = %s, want %s", got, test.state)
			}
			if got := Decide(test.evidence); got != test.action {
				t.Errorf("Decide = %s, want %s", got, test.action)
			}
		})
	}
}

func evidence() *rapid.Generator[Evidence] {
	answers := rapid.SampledFrom([]Answer{Unasked, Idle, Busy, Unclear})
	return rapid.Custom(func(t *rapid.T) Evidence {
		return Evidence{
			Recording: rapid.Bool().Draw(t, "recording"), Begun: rapid.Bool().Draw(t, "begun"),
			OwnLibrary: answers.Draw(t, "own"), OtherOwner: rapid.Bool().Draw(t, "other"),
			Foreign: rapid.IntRange(0, 2).Draw(t, "foreign"), ForeignThreads: rapid.IntRange(0, 2).Draw(t, "threads"),
			ForeignAnswer: answers.Draw(t, "answer"),
		}
	})
}

// Whatever is seen, nothing is begun while anybody's session may be active, and
// nothing at all is done in a JVM that another sidecar owns.
func TestNeverBeginsInDoubt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := evidence().Draw(t, "evidence")
		action := Decide(e)
		if e.OtherOwner && action != Wait {
			t.Fatalf("%s although another sidecar is the owner", action)
		}
		active := e.ForeignThreads > 0 || e.OwnLibrary == Busy || e.OwnLibrary == Unclear ||
			(e.Foreign > 0 && e.ForeignAnswer != Idle)
		if action == Begin && (active || e.Recording) {
			t.Fatalf("begins although %+v", e)
		}
		if (action == Continue || action == Adopt) && e.ForeignThreads > 0 {
			t.Fatalf("%s beside a foreign session", action)
		}
		if action == Yield && !e.Recording {
			t.Fatal("yields without a session of ours")
		}
	})
}

// world is a JVM, two sidecars and somebody else's profiler.
type world struct {
	ours       bool // our session is active in the JVM
	loaded     bool // our library is loaded
	theirs     bool
	theirLib   bool
	lock       int // sidecar that holds the owner's lock, or -1
	begun      [2]bool
	disturbed  bool
	twoOwners  bool
	beganTwice bool
}

func (w *world) see(sidecar int) Evidence {
	e := Evidence{Recording: w.ours, Begun: w.begun[sidecar], OtherOwner: w.lock >= 0 && w.lock != sidecar}
	if w.loaded && !w.ours {
		e.OwnLibrary = Idle
	}
	if w.theirLib {
		e.Foreign, e.ForeignAnswer = 1, Idle
	}
	if w.theirs {
		e.ForeignThreads, e.ForeignAnswer = 1, Busy
	}
	return e
}

func (w *world) act(sidecar int) {
	e := w.see(sidecar)
	if !e.OtherOwner {
		w.lock = sidecar
	}
	switch Decide(e) {
	case Begin:
		w.disturbed = w.disturbed || w.theirs
		w.beganTwice = w.beganTwice || w.ours
		w.ours, w.loaded, w.begun[sidecar] = true, true, true
	case Adopt:
		w.begun[sidecar] = true
	case Yield:
		w.ours, w.begun[sidecar] = false, false
	}
	w.twoOwners = w.twoOwners || (w.begun[0] && w.begun[1])
}

// Sidecars come, die and stop, somebody else profiles now and then: there is
// never a second session of ours, never one begun beside theirs, and never two
// owners.
func TestAnyHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := world{lock: -1}
		die := func(i int, stop bool) {
			if w.lock == i {
				if stop && w.begun[i] {
					w.ours = false
				}
				w.lock, w.begun[i] = -1, false
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"first sidecar looks":  func(*rapid.T) { w.act(0) },
			"second sidecar looks": func(*rapid.T) { w.act(1) },
			"sidecar is killed":    func(t *rapid.T) { die(rapid.IntRange(0, 1).Draw(t, "which"), false) },
			"sidecar stops":        func(t *rapid.T) { die(rapid.IntRange(0, 1).Draw(t, "which"), true) },
			"timeout ends ours":    func(*rapid.T) { w.ours = false },
			"they begin":           func(*rapid.T) { w.theirs, w.theirLib = true, true },
			"they stop":            func(*rapid.T) { w.theirs = false },
			"": func(t *rapid.T) {
				if w.disturbed || w.twoOwners || w.beganTwice {
					t.Fatalf("%+v", w)
				}
			},
		})
	})
}

// Which of two markers is newer does not depend on the clocks of their owners.
func TestNewerMarker(t *testing.T) {
	hour := time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC)
	mine := Marker{Owner: "a", Serial: 7, Heartbeat: hour}
	tests := map[string]struct {
		other Marker
		want  bool
	}{
		"of another owner since":            {Marker{Owner: "b", Serial: 8, Heartbeat: hour.Add(-time.Hour)}, true},
		"of the owner before":               {Marker{Owner: "b", Serial: 6, Heartbeat: hour.Add(time.Hour)}, false},
		"the same":                          {mine, false},
		"of another, old version since":     {Marker{Owner: "b", Heartbeat: hour.Add(time.Hour)}, true},
		"of another, old version before it": {Marker{Owner: "b", Heartbeat: hour.Add(-time.Hour)}, false},
	}
	for name, test := range tests {
		if got := test.other.Newer(mine); got != test.want {
			t.Errorf("%s: newer %v, want %v", name, got, test.want)
		}
	}
}
