// Package jfrtest holds the recordings that tests compare with: each with the
// collapsed stacks that async-profiler's own converter made of it, read into
// our names. It is for tests only.
package jfrtest

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/podflame/podflame/backend/profile"
)

// Measure is what a file of ground truth holds.
type Measure int

// The measures.
const (
	Events  Measure = iota // number of events, or of samples for wall
	Weights                // bytes of allocation, ns of waits
)

// Truth is a recording and one conversion of it.
type Truth struct {
	Recording, Collapsed string // names without suffix, in Dir
	Type                 profile.Type
	Measure              Measure
}

// Unsupported are conversions to types that Podflame does not have.
func Unsupported() []string {
	return []string{"instrumented-method-as-cpu.cpu"}
}

// Dir is the folder of recordings and conversions.
func Dir() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "../../../../tests/testdata/jfr")
}

// Path returns the path of a recording.
func Path(name string) string { return filepath.Join(Dir(), name+".jfr") }

// Truths pairs each recording with its conversions to types that we have.
func Truths() []Truth {
	return []Truth{
		{"alloc", "alloc.alloc", profile.Alloc, Events},
		{"alloc", "alloc.alloc.total", profile.Alloc, Weights},
		{"cpu", "cpu.cpu", profile.CPU, Events},
		{"cpu", "cpu.cpu.total", profile.CPU, Events},
		{"cpu-ctimer", "cpu-ctimer.cpu", profile.CPU, Events},
		{"cpu-ctimer", "cpu-ctimer.cpu.total", profile.CPU, Events},
		{"cpu-wall", "cpu-wall.cpu", profile.CPU, Events},
		{"cpu-wall", "cpu-wall.wall", profile.Wall, Events},
		{"ctimer-1ms", "ctimer-1ms.cpu", profile.CPU, Events},
		{"deep", "deep.cpu", profile.CPU, Events},
		{"deep", "deep.cpu.total", profile.CPU, Events},
		{"killed-multichunk", "killed-multichunk.cpu", profile.CPU, Events},
		{"killed-multichunk", "killed-multichunk.alloc.total", profile.Alloc, Weights},
		{"lock", "lock.lock", profile.Lock, Events},
		{"lock", "lock.lock.total", profile.Lock, Weights},
		{"metadata-last", "metadata-last.cpu", profile.CPU, Events},
		{"mixed", "mixed.alloc", profile.Alloc, Events},
		{"mixed", "mixed.alloc.total", profile.Alloc, Weights},
		{"mixed", "mixed.cpu", profile.CPU, Events},
		{"mixed", "mixed.cpu.total", profile.CPU, Events},
		{"mixed", "mixed.cpu.norm", profile.CPU, Events},
		{"mixed", "mixed.cpu.lines", profile.CPU, Events},
		{"mixed", "mixed.cpu.threads", profile.CPU, Events},
		{"mixed", "mixed.lock", profile.Lock, Events},
		{"mixed", "mixed.lock.total", profile.Lock, Weights},
		{"multichunk", "multichunk.alloc", profile.Alloc, Events},
		{"multichunk", "multichunk.alloc.total", profile.Alloc, Weights},
		{"multichunk", "multichunk.cpu", profile.CPU, Events},
		{"multichunk", "multichunk.cpu.total", profile.CPU, Events},
		{"multichunk", "multichunk.lock", profile.Lock, Events},
		{"multichunk", "multichunk.lock.total", profile.Lock, Weights},
		{"nativemem", "nativemem.nativemem", profile.NativeMem, Events},
		{"nativemem", "nativemem.nativemem.total", profile.NativeMem, Weights},
		{"overflow", "overflow.cpu", profile.CPU, Events},
		{"second-chunk-only", "second-chunk-only.alloc.total", profile.Alloc, Weights},
		{"second-chunk-only", "second-chunk-only.cpu", profile.CPU, Events},
		{"second-chunk-only", "second-chunk-only.lock.total", profile.Lock, Weights},
		{"wall-nobatch", "wall-nobatch.wall", profile.Wall, Events},
		{"wall", "wall.wall", profile.Wall, Events},
		{"wall", "wall.wall.total", profile.Wall, Events},
	}
}

// Read returns the value of each stack. A stack is its frames, root first,
// joined by semicolons; a frame is a name, a space, and java, native or kernel.
// Addresses and counters of hidden classes, line numbers and threads are left
// out.
func (truth Truth) Read(t testing.TB) map[string]int64 {
	t.Helper()
	path := filepath.Join(Dir(), truth.Collapsed+".collapsed")
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

var (
	suffix  = regexp.MustCompile(`_\[(.)\]$`)
	address = regexp.MustCompile(`(\$\$Lambda)(\$\d+)?([.+/]0x[0-9a-f]+)?`)
	line    = regexp.MustCompile(`:\d+$`)
	hidden  = regexp.MustCompile(`[.+/]0x[0-9a-f]{8,}`)
)
