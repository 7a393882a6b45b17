package jfr

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/jfr/jfrtest"
)

const fixtures = "../../../tests/testdata/jfr"

func TestEqualsGroundTruth(t *testing.T) {
	for _, tt := range jfrtest.Truths() {
		t.Run(tt.Collapsed, func(t *testing.T) {
			got := collapse(decodeFixture(t, tt.Recording, tt.Type), tt.Measure)
			want := tt.Read(t)
			if len(want) == 0 {
				t.Fatal("the ground truth is empty")
			}
			if maps.Equal(want, got) { // cmp is slow for thousands of long keys
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("stacks (-converter +ours):\n%s", diff)
			}
		})
	}
}

func TestAllGroundTruthIsCompared(t *testing.T) {
	var compared []string
	for _, tt := range jfrtest.Truths() {
		compared = append(compared, tt.Collapsed+".collapsed")
	}
	for _, name := range jfrtest.Unsupported() {
		compared = append(compared, name+".collapsed")
	}
	slices.Sort(compared)
	files, err := filepath.Glob(fixtures + "/*.collapsed")
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	slices.Sort(files)
	if diff := cmp.Diff(files, compared); diff != "" {
		t.Errorf("files in %s (-there +compared):\n%s", fixtures, diff)
	}
}

func decodeFixture(t *testing.T, name string, typ profile.Type) *profile.StackSet {
	t.Helper()
	f, layout := openFixture(t, name)
	o := Options{Types: []profile.Type{typ}, Raw: true}
	result := decode(f, layout.Chunks, &o, func(int) {})
	if len(result.Losses) > 0 {
		t.Fatalf("losses of finished chunks: %+v %q", result.Losses, result.Problems)
	}
	if len(result.Sets) != 1 {
		t.Fatalf("%d stack sets", len(result.Sets))
	}
	c := result.Coverage[0]
	if err := c.Check(); err != nil || c.Stored != result.Sets[0].Total() {
		t.Fatalf("ledger %+v, stacks sum to %+v, %v", c, result.Sets[0].Total(), err)
	}
	return &result.Sets[0]
}

func openFixture(t testing.TB, name string) (*os.File, Layout) {
	t.Helper()
	return openRecording(t, filepath.Join(fixtures, name+".jfr"))
}

func openRecording(t testing.TB, path string) (*os.File, Layout) {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	layout, err := Scan(f, 0, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	return f, layout
}

func collapse(set *profile.StackSet, m jfrtest.Measure) map[string]int64 {
	out := map[string]int64{}
	for _, s := range set.Stacks {
		var names []string
		for _, f := range s.Frames {
			names = append(names, set.Functions[f].Name+" "+kindOf(set.Functions[f].Kind))
		}
		value := s.Value
		if m == jfrtest.Events {
			value = s.Count
		}
		out[strings.Join(names, ";")] += value
	}
	return out
}

// kindOf is a kind as far as the converter tells.
func kindOf(k profile.Kind) string {
	switch k {
	case profile.Native, profile.CPP:
		return "native"
	case profile.Class: // marked like an inlined method
		return "java"
	}
	return k.String()
}
