package session

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestPhases(t *testing.T) {
	const a, b = "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"
	type step struct {
		event Event
		id    string
	}
	for name, test := range map[string]struct {
		steps []step
		want  map[string]Phase
		fails bool // the last step
	}{
		"begun":                             {[]step{{Ask, a}, {Begun, a}}, map[string]Phase{a: Running}, false},
		"not answered":                      {[]step{{Ask, a}, {Unseen, ""}}, map[string]Phase{a: Asked}, false},
		"not answered, but it ran":          {[]step{{Ask, a}, {Unseen, ""}, {Seen, a}}, map[string]Phase{a: Running}, false},
		"not answered, and it did not run":  {[]step{{Ask, a}, {Settled, ""}}, map[string]Phase{a: Ended}, false},
		"refused":                           {[]step{{Ask, a}, {Refused, a}, {Read, a}}, map[string]Phase{}, false},
		"ended by others":                   {[]step{{Ask, a}, {Begun, a}, {Unseen, ""}}, map[string]Phase{a: Ended}, false},
		"removed while it runs":             {[]step{{Ask, a}, {Begun, a}, {Read, a}}, map[string]Phase{a: Running}, true},
		"removed while it may run":          {[]step{{Ask, a}, {Read, a}}, map[string]Phase{a: Asked}, true},
		"a second one":                      {[]step{{Ask, a}, {Begun, a}, {Ask, b}}, map[string]Phase{a: Running}, true},
		"a second one while in doubt":       {[]step{{Ask, a}, {Ask, b}}, map[string]Phase{a: Asked}, true},
		"renewed":                           {[]step{{Ask, a}, {Begun, a}, {Stopped, ""}, {Ask, b}, {Begun, b}}, map[string]Phase{a: Ended, b: Running}, false},
		"the marker was lost":               {[]step{{Seen, a}}, map[string]Phase{a: Running}, false},
		"another one runs than was thought": {[]step{{Ask, a}, {Begun, a}, {Seen, b}}, map[string]Phase{a: Ended, b: Running}, false},
		"taken for ended by mistake":        {[]step{{Ask, a}, {Begun, a}, {Unseen, ""}, {Seen, a}}, map[string]Phase{a: Running}, false},
		"the JVM has ended":                 {[]step{{Ask, a}, {Gone, ""}}, map[string]Phase{a: Ended}, false},
		"begun without being asked":         {[]step{{Begun, a}}, map[string]Phase{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			var m Marker
			for i, s := range test.steps {
				err := m.Apply(s.event, s.id)
				if last := i == len(test.steps)-1; (err != nil) != (last && test.fails) {
					t.Fatalf("%s: %v", s.event, err)
				}
			}
			got := map[string]Phase{}
			for _, r := range m.Recordings {
				got[r.Session] = r.Phase
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("phases (-want +got):\n%s", diff)
			}
		})
	}
}

// jvmModel is a JVM that carries commands out one after the other, whether or
// not somebody still waits for the answer.
type jvmModel struct {
	queue []string // sessions to begin, by commands that were given up
	open  string   // session whose recording it writes
	gone  bool
}

func (j *jvmModel) work() {
	for _, id := range j.queue {
		if j.open == "" {
			j.open = id
		}
	}
	j.queue = nil
}

// TestRunningRecordingIsNeverRemoved leads a marker through generated histories
// of a JVM, a sidecar that gives commands up, and others that interfere. What
// the marker learns is true, though not all of the truth.
func TestRunningRecordingIsNeverRemoved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m Marker
		var j jvmModel
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"begin", "give up", "refuse", "work", "look", "ask and look", "stop", "timeout", "end", "read"}).Draw(t, "step") {
			case "begin":
				if id := NewID(); !j.gone && m.Apply(Ask, id) == nil {
					j.work()
					if j.open == "" {
						j.open = id
						must(t, m.Apply(Begun, id))
					} else {
						must(t, m.Apply(Refused, id))
					}
				}
			case "give up":
				if id := NewID(); !j.gone && m.Apply(Ask, id) == nil {
					j.queue = append(j.queue, id)
				}
			case "refuse":
				if id := NewID(); m.Apply(Ask, id) == nil {
					must(t, m.Apply(Refused, id))
				}
			case "work":
				j.work()
			case "look":
				look(t, &m, &j, Unseen)
			case "ask and look":
				if !j.gone {
					j.work()
					look(t, &m, &j, Settled)
				}
			case "stop":
				if !j.gone {
					j.work()
					j.open = ""
					must(t, m.Apply(Stopped, ""))
				}
			case "timeout":
				j.open = ""
			case "end":
				j = jvmModel{gone: true}
				must(t, m.Apply(Gone, ""))
			case "read":
				for _, r := range slices.Clone(m.Recordings) {
					if m.Apply(Read, r.Session) == nil && (r.Session == j.open || slices.Contains(j.queue, r.Session)) {
						t.Fatalf("recording %s was removed while the JVM writes it or will: %+v", r.Session, j)
					}
				}
			}
			live := 0
			for _, r := range m.Recordings {
				if r.Phase != Ended {
					live++
				}
			}
			if live > 1 {
				t.Fatalf("%d recordings have not ended: %+v", live, m.Recordings)
			}
			if len(m.Recordings) > maxRecordings {
				t.Fatalf("%d recordings", len(m.Recordings))
			}
		}
	})
}

func look(t *rapid.T, m *Marker, j *jvmModel, without Event) {
	switch {
	case j.gone:
	case j.open == "":
		must(t, m.Apply(without, ""))
	default:
		_ = m.Apply(Seen, j.open) // fails if too many wait to be read
	}
}

func must(t *rapid.T, err error) {
	if err != nil {
		t.Fatal(err)
	}
}
