package jfr

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podflame/podflame/backend/profile"
)

const fixtures = "../../../tests/testdata/jfr"

// measure is what a file of ground truth holds.
type measure int

const (
	events  measure = iota // number of events, or of samples for wall
	weights                // bytes of allocation, ns of waits
)

// truth pairs each recording with the conversions that async-profiler's own
// converter made of it.
var truth = []struct {
	recording, collapsed string
	t                    profile.Type
	measure              measure
}{
	{"alloc", "alloc.alloc", profile.Alloc, events},
	{"alloc", "alloc.alloc.total", profile.Alloc, weights},
	{"cpu", "cpu.cpu", profile.CPU, events},
	{"cpu", "cpu.cpu.total", profile.CPU, events},
	{"cpu-ctimer", "cpu-ctimer.cpu", profile.CPU, events},
	{"cpu-ctimer", "cpu-ctimer.cpu.total", profile.CPU, events},
	{"deep", "deep.cpu", profile.CPU, events},
	{"deep", "deep.cpu.total", profile.CPU, events},
	{"killed-multichunk", "killed-multichunk.cpu", profile.CPU, events},
	{"killed-multichunk", "killed-multichunk.alloc.total", profile.Alloc, weights},
	{"lock", "lock.lock", profile.Lock, events},
	{"lock", "lock.lock.total", profile.Lock, weights},
	{"mixed", "mixed.alloc", profile.Alloc, events},
	{"mixed", "mixed.alloc.total", profile.Alloc, weights},
	{"mixed", "mixed.cpu", profile.CPU, events},
	{"mixed", "mixed.cpu.total", profile.CPU, events},
	{"mixed", "mixed.cpu.norm", profile.CPU, events},
	{"mixed", "mixed.cpu.lines", profile.CPU, events},
	{"mixed", "mixed.cpu.threads", profile.CPU, events},
	{"mixed", "mixed.lock", profile.Lock, events},
	{"mixed", "mixed.lock.total", profile.Lock, weights},
	{"multichunk", "multichunk.alloc", profile.Alloc, events},
	{"multichunk", "multichunk.alloc.total", profile.Alloc, weights},
	{"multichunk", "multichunk.cpu", profile.CPU, events},
	{"multichunk", "multichunk.cpu.total", profile.CPU, events},
	{"multichunk", "multichunk.lock", profile.Lock, events},
	{"multichunk", "multichunk.lock.total", profile.Lock, weights},
	{"wall", "wall.wall", profile.Wall, events},
	{"wall", "wall.wall.total", profile.Wall, events},
}

// unsupported is ground truth of types that Podflame does not have.
var unsupported = []string{"nativemem.nativemem", "nativemem.nativemem.total"}

func TestEqualsGroundTruth(t *testing.T) {
	for _, tt := range truth {
		t.Run(tt.collapsed, func(t *testing.T) {
			got := collapse(decodeFixture(t, tt.recording, tt.t), tt.measure)
			want := readCollapsed(t, filepath.Join(fixtures, tt.collapsed+".collapsed"))
			if len(want) == 0 {
				t.Fatal("the ground truth is empty")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("stacks (-converter +ours):\n%s", diff)
			}
		})
	}
}

func TestAllGroundTruthIsCompared(t *testing.T) {
	var compared []string
	for _, tt := range truth {
		compared = append(compared, tt.collapsed+".collapsed")
	}
	for _, name := range unsupported {
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
	f, err := Open(filepath.Join(fixtures, name+".jfr"))
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

func collapse(set *profile.StackSet, m measure) map[string]int64 {
	out := map[string]int64{}
	for _, s := range set.Stacks {
		var names []string
		for _, f := range s.Frames {
			names = append(names, set.Functions[f].Name+" "+kindOf(set.Functions[f].Kind))
		}
		value := s.Value
		if m == events {
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

var (
	suffix  = regexp.MustCompile(`_\[(.)\]$`)
	address = regexp.MustCompile(`(\$\$Lambda)(\$\d+)?([.+/]0x[0-9a-f]+)?`)
	line    = regexp.MustCompile(`:\d+$`)
	hidden  = regexp.MustCompile(`[.+/]0x[0-9a-f]{8,}`)
)

// readCollapsed reads the output of the converter. Frame types, addresses and
// counters of hidden classes, line numbers and threads are not part of what is
// compared.
func readCollapsed(t *testing.T, path string) map[string]int64 {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	out := map[string]int64{}
	scanner := bufio.NewScanner(f)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		stack, value, err := parseCollapsed(scanner.Text(), strings.Contains(path, ".threads."), strings.Contains(path, ".lines."))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		out[stack] += value
	}
	if err := scanner.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func parseCollapsed(text string, threads, lines bool) (string, int64, error) {
	space := strings.LastIndexByte(text, ' ')
	if space < 0 {
		return "", 0, fmt.Errorf("line %q has no value", text)
	}
	value, err := strconv.ParseInt(text[space+1:], 10, 64)
	if err != nil {
		return "", 0, err
	}
	names := strings.Split(text[:space], ";")
	if threads {
		names = names[1:]
	}
	for i, name := range names {
		names[i] = convertFrame(name, lines)
	}
	return strings.Join(names, ";"), value, nil
}

// convertFrame gives a frame of the converter our name and kind. The converter
// marks Java frames by [0], [1], [j] and [i], and kernel frames by [k]; a class
// at the end of a stack is marked [i] and dotted.
func convertFrame(name string, lines bool) string {
	mark := byte('n')
	if m := suffix.FindStringSubmatch(name); m != nil {
		mark, name = m[1][0], strings.TrimSuffix(name, m[0])
	}
	if lines {
		name = line.ReplaceAllString(name, "")
	}
	kind := "native"
	switch mark {
	case 'k':
		kind = "kernel"
	case '0', '1', 'j', 'i':
		kind = "java"
		name = strings.ReplaceAll(name, "/", ".")
		name = hidden.ReplaceAllString(address.ReplaceAllString(name, "$1"), "")
	}
	return name + " " + kind
}
