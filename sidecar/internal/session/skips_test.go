package session

import "testing"

func TestSkippedSamplesAreToldOnce(t *testing.T) {
	for name, test := range map[string]struct {
		before  Skips
		answers []int64
		untold  int64
	}{
		"of a library that was loaded for us":       {Skips{Known: true}, []int64{5, 9}, 9},
		"with an answer that could not be read":     {Skips{Known: true}, []int64{5, 0, 5, 9}, 9},
		"where windows tell some":                   {Skips{Known: true, Counted: 5, Told: 5}, []int64{9}, 4},
		"where a sidecar ended before it told some": {Skips{Known: true, Counted: 5, Told: 3}, nil, 2},
		"where nobody knows what was told":          {Skips{}, []int64{0, 5, 9}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			for _, total := range test.answers {
				test.before.Count(total)
			}
			if got := test.before.Untold(); got != test.untold {
				t.Errorf("%d are to be told, want %d", got, test.untold)
			}
		})
	}
}

func TestMarkerOfBeforeSkips(t *testing.T) {
	d, m := newDir(t), marker()
	m.Skips, m.Recordings[0].Skipped = Skips{}, 7
	if err := d.WriteMarker(m); err != nil {
		t.Fatal(err)
	}
	got, err := d.ReadMarker(12, 345)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Skips{Known: true, Counted: 7, Told: 7}); got.Skips != want || got.Recordings[0].Skipped != 0 {
		t.Errorf("read %+v, %d of the recording; want %+v", got.Skips, got.Recordings[0].Skipped, want)
	}
}

func TestImpossibleSkipsAreRefused(t *testing.T) {
	for _, skips := range []Skips{{Counted: 1, Told: -1}, {Counted: 2, Told: 3}} {
		d, m := newDir(t), marker()
		m.Skips = skips
		if err := d.WriteMarker(m); err != nil {
			t.Fatal(err)
		}
		if _, err := d.ReadMarker(12, 345); err == nil {
			t.Errorf("a marker with %+v is read", skips)
		}
	}
}
