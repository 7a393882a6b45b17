package timeline

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/podflame/podflame/backend/profile"
	"pgregory.net/rapid"
)

func at(seconds int) time.Time { return time.Unix(int64(seconds), 0).UTC() }

func span(from, to int) profile.Span { return profile.Span{Start: at(from), End: at(to)} }

// told is a gap in short.
type told struct {
	From, To int64
	Reason   profile.Reason
}

func short(gaps []Gap) (list []told) {
	for _, g := range gaps {
		list = append(list, told{g.Start.Unix(), g.End.Unix(), g.Reason})
	}
	return list
}

func TestTimeline(t *testing.T) {
	tests := []struct {
		name  string
		story func(t *Timeline) []Gap
		want  []told
		sums  Sums // in seconds
	}{
		{"nobody records", func(t *Timeline) []Gap {
			t.Mark(at(30), profile.Conflict)
			return t.Tell(at(60))
		}, []told{{0, 30, profile.JVMStarting}, {30, 60, profile.Conflict}}, Sums{Told: 60}},
		{"a session begins", func(t *Timeline) []Gap {
			t.Mark(at(11), Recording)
			return t.Recorded(span(10, 60))
		}, []told{{0, 10, profile.JVMStarting}}, Sums{Recorded: 50, Told: 10}},
		{"windows follow each other", func(t *Timeline) []Gap {
			t.Mark(at(0), Recording)
			return append(t.Recorded(span(0, 60)), t.Recorded(span(60, 121))...)
		}, nil, Sums{Recorded: 121}},
		{"a span that is recorded twice counts once", func(t *Timeline) []Gap {
			t.Mark(at(0), Recording)
			return append(t.Recorded(span(0, 60)), t.Recorded(span(30, 90))...)
		}, nil, Sums{Recorded: 90}},
		{"what is told is not recorded any more", func(t *Timeline) []Gap {
			return append(t.Tell(at(60)), t.Recorded(span(30, 90))...)
		}, []told{{0, 60, profile.JVMStarting}}, Sums{Recorded: 30, Told: 60}},
		{"an older recording is read late", func(t *Timeline) []Gap {
			t.Mark(at(0), Recording)
			return append(t.Recorded(span(60, 120)), t.Recorded(span(0, 60))...)
		}, nil, Sums{Recorded: 120}},
		{"an older recording is never read", func(t *Timeline) []Gap {
			t.Mark(at(0), Recording)
			return append(t.Recorded(span(60, 120)), t.Lost(span(0, 60), profile.RecordingMissing)...)
		}, []told{{0, 60, profile.RecordingMissing}}, Sums{Recorded: 60, Told: 60}},
		{"the end of a killed JVM", func(t *Timeline) []Gap {
			t.Mark(at(0), Recording)
			return append(t.Recorded(span(0, 60)), t.Lost(span(60, 75), profile.ChunkUnfinished)...)
		}, []told{{60, 75, profile.ChunkUnfinished}}, Sums{Recorded: 60, Told: 15}},
		{"a session ends", func(t *Timeline) []Gap {
			t.Mark(at(0), Recording)
			t.Mark(at(50), profile.SessionEnded)
			return append(t.Recorded(span(0, 51)), t.Tell(at(60))...)
		}, []told{{51, 60, profile.SessionEnded}}, Sums{Recorded: 51, Told: 9}},
		{"a doubt is resolved", func(t *Timeline) []Gap {
			t.Mark(at(10), profile.AttachTimeout)
			t.Mark(at(5), Recording)
			return t.Recorded(span(5, 60))
		}, []told{{0, 5, profile.JVMStarting}}, Sums{Recorded: 55, Told: 5}},
		{"another sidecar records", func(t *Timeline) []Gap {
			t.Mark(at(10), Elsewhere)
			t.Mark(at(50), profile.JVMStarting)
			return t.Tell(at(60))
		}, []told{{0, 10, profile.JVMStarting}, {50, 60, profile.JVMStarting}}, Sums{Told: 20, Elsewhere: 40}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			line := New(at(0), profile.JVMStarting)
			if diff := cmp.Diff(test.want, short(test.story(line))); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			got, want := line.Sums(), test.sums
			for _, d := range []*time.Duration{&want.Recorded, &want.Told, &want.Owed, &want.Elsewhere} {
				*d *= time.Duration(time.Second)
			}
			if got != want {
				t.Errorf("sums %+v, want %+v", got, want)
			}
		})
	}
}

// TestLaw: whatever is entered in whatever order, each moment counts once, what
// is told is what is returned, and the account never goes back.
func TestLaw(t *testing.T) {
	reasons := []profile.Reason{Recording, Recording, Elsewhere, profile.Conflict, profile.JVMStarting, profile.AttachTimeout}
	rapid.Check(t, func(t *rapid.T) {
		line := New(at(1000), rapid.SampledFrom(reasons).Draw(t, "first"))
		var toldSum time.Duration
		clock, shifted := 1000, 0
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			before := line.Through()
			moment := func(label string) int { return rapid.IntRange(clock-200, clock+100).Draw(t, label) }
			var gaps []Gap
			switch rapid.SampledFrom([]string{"mark", "recorded", "tell", "lost", "shift", "failed"}).Draw(t, "step") {
			case "mark":
				line.Mark(at(moment("at")), rapid.SampledFrom(reasons).Draw(t, "reason"))
			case "recorded":
				gaps = line.Recorded(span(moment("from"), moment("to")))
			case "tell":
				clock = max(clock, moment("to"))
				gaps = line.Tell(at(clock))
			case "lost":
				gaps = line.Lost(span(moment("from"), moment("to")), profile.RecordingUnreadable)
			case "shift":
				by := rapid.IntRange(-500, 500).Draw(t, "by")
				line.Shift(time.Duration(by) * time.Second)
				before, clock, shifted = before.Add(time.Duration(by)*time.Second), clock+by, shifted+by
			case "failed": // the window did not get into the spool
				copied := line.Clone()
				copied.Mark(at(clock), profile.Conflict)
				copied.Tell(at(clock + 50))
			}
			for _, g := range gaps {
				toldSum += g.End.Sub(g.Start)
				if !g.Start.Before(g.End) || g.Reason == Recording || g.Reason == Elsewhere {
					t.Fatalf("gap %+v", g)
				}
			}
			sums := line.Sums()
			if all := sums.Recorded + sums.Told + sums.Owed + sums.Elsewhere; all != line.Through().Sub(line.Start()) {
				t.Fatalf("%+v make %s of %s", sums, all, line.Through().Sub(line.Start()))
			}
			if sums.Told != toldSum {
				t.Fatalf("told %s, returned %s", sums.Told, toldSum)
			}
			if line.Through().Before(before) {
				t.Fatalf("the account went back from %s to %s", before, line.Through())
			}
			if sums.Recorded < 0 || sums.Owed < 0 {
				t.Fatalf("sums %+v", sums)
			}
		}
	})
}

func TestBounds(t *testing.T) {
	line := New(at(0), profile.Conflict)
	for i := range 10 * maxMarks {
		line.Mark(at(i), []profile.Reason{profile.Conflict, profile.JVMStarting}[i%2])
	}
	if n := len(line.marks); n > maxMarks {
		t.Errorf("%d marks", n)
	}
	line = New(at(0), Recording)
	for i := range 10 * maxOwed {
		line.Recorded(span(2*i+1, 2*i+2))
	}
	if n := len(line.owed); n > maxOwed {
		t.Errorf("%d spans are owed", n)
	}
	if s := line.Sums(); s.Recorded+s.Told+s.Owed != line.Through().Sub(line.Start()) {
		t.Errorf("sums %+v of %s", s, line.Through().Sub(line.Start()))
	}
}
