package jfr

import (
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/jfr-parser/parser"
	"github.com/grafana/jfr-parser/parser/types"

	"github.com/podflame/podflame/backend/profile"
)

// TestEqualsPeer holds the finished chunks of every recording against jfr-parser:
// the same events with the same weights in the same stacks. It has no kinds of
// frames and does not weigh CPU time and waits, so these are compared elsewhere.
func TestEqualsPeer(t *testing.T) {
	files, err := filepath.Glob(fixtures + "/*.jfr")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".jfr")
		t.Run(name, func(t *testing.T) {
			f, layout := openRecording(t, path)
			var finished []byte
			for _, c := range layout.Chunks {
				chunk := make([]byte, c.Size)
				if _, err := f.ReadAt(chunk, c.Offset); err != nil {
					t.Fatal(err)
				}
				finished = append(finished, chunk...)
			}
			want := readByPeer(t, finished)
			got := readByUs(t, f, layout.Chunks)
			if name == "jdk25-cputimesample" { // the peer does not know its event
				delete(got, "time")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("stacks (-jfr-parser +ours):\n%s", diff)
			}
		})
	}
}

// peerStacks is what was measured in stacks of a group of events: time (samples of
// CPU time and of elapsed time together), alloc, lock. A stack is the names of its
// frames, root first; one that the recording lacks is missing.
type peerStacks map[string]map[string]profile.Amount

const missing = "(missing)"

func (m peerStacks) add(group, stack string, a profile.Amount) {
	if m[group] == nil {
		m[group] = map[string]profile.Amount{}
	}
	m[group][stack] = m[group][stack].Add(a)
}

func readByUs(t *testing.T, f io.ReaderAt, chunks []Chunk) peerStacks {
	t.Helper()
	o := Options{Raw: true, AnyEvent: true, Types: []profile.Type{profile.CPU, profile.Alloc, profile.Lock, profile.Wall}}
	r := decode(f, chunks, &o, func(int) {})
	checkLedger(t, &r)
	groups := map[profile.Type]string{profile.CPU: "time", profile.Wall: "time", profile.Alloc: "alloc", profile.Lock: "lock"}
	out, names := peerStacks{}, profile.NewNormalizer()
	for _, set := range r.Sets {
		for _, s := range set.Stacks {
			var frames []string
			for _, f := range s.Frames {
				if f := set.Functions[f]; f.Kind != profile.Class {
					frames = append(frames, names.Name(strings.ReplaceAll(f.Name, "/", ".")))
				}
			}
			out.add(groups[set.Type], strings.Join(frames, ";"), amountOf(set.Type, s.Value, s.Count))
		}
	}
	for _, c := range r.Coverage {
		for _, l := range c.Losses {
			if l.Reason == profile.StackMissing {
				out.add(groups[c.Type], missing, amountOf(c.Type, l.Value, l.Count))
			}
		}
	}
	return out
}

// amountOf leaves out the value of waits: rounding of a sum of them differs.
func amountOf(of profile.Type, value, count int64) profile.Amount {
	if of == profile.Lock {
		value = 0
	}
	return profile.Amount{Value: value, Count: count}
}

func readByPeer(t *testing.T, chunks []byte) peerStacks {
	t.Helper()
	p := parser.NewParser(chunks, parser.Options{})
	out, weights := peerStacks{}, peerStacks{} // of ObjectAllocationSample, which counts where there are no TLAB events
	names := profile.NewNormalizer()
	for {
		id, err := p.ParseEvent()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("jfr-parser: %v", err)
		}
		enter := func(m peerStacks, group string, stack types.StackTraceRef, value, count int64) {
			m.add(group, stackOfPeer(p, names, stack), profile.Amount{Value: value, Count: count})
		}
		switch m := &p.TypeMap; id {
		case m.T_EXECUTION_SAMPLE:
			enter(out, "time", p.ExecutionSample.StackTrace, 1, 1)
		case m.T_WALL_CLOCK_SAMPLE:
			n := int64(max(p.WallClockSample.Samples, 1))
			enter(out, "time", p.WallClockSample.StackTrace, n, n)
		case m.T_ALLOC_IN_NEW_TLAB:
			enter(out, "alloc", p.ObjectAllocationInNewTLAB.StackTrace, int64(p.ObjectAllocationInNewTLAB.TlabSize), 1)
		case m.T_ALLOC_OUTSIDE_TLAB:
			enter(out, "alloc", p.ObjectAllocationOutsideTLAB.StackTrace, int64(p.ObjectAllocationOutsideTLAB.AllocationSize), 1)
		case m.T_ALLOC_SAMPLE:
			enter(weights, "alloc", p.ObjectAllocationSample.StackTrace, int64(p.ObjectAllocationSample.Weight), 1)
		case m.T_MONITOR_ENTER:
			enter(out, "lock", p.JavaMonitorEnter.StackTrace, 0, 1)
		case m.T_THREAD_PARK:
			if class := p.GetClass(p.ThreadPark.ParkedClass); class != nil && isLockClass([]byte(p.GetSymbolString(class.Name))) {
				enter(out, "lock", p.ThreadPark.StackTrace, 0, 1)
			}
		}
	}
	if out["alloc"] == nil && weights["alloc"] != nil {
		out["alloc"] = weights["alloc"]
	}
	return out
}

func stackOfPeer(p *parser.Parser, names *profile.Normalizer, ref types.StackTraceRef) string {
	stack := p.GetStacktrace(ref)
	if stack == nil || len(stack.Frames) == 0 {
		return missing
	}
	var frames []string
	for _, f := range slices.Backward(stack.Frames) {
		name := "unknown"
		if method := p.GetMethod(f.Method); method != nil {
			name = p.GetSymbolString(method.Name)
			if class := p.GetClass(method.Type); class != nil {
				if of := p.GetSymbolString(class.Name); of != "" && !isLibrary(of) {
					name = of + "." + name
				}
			}
		}
		name = string(fromModified([]byte(name))) // the peer leaves surrogates as they are
		frames = append(frames, names.Name(strings.ReplaceAll(name, "/", ".")))
	}
	return strings.Join(frames, ";")
}

// isLibrary reports whether a frame of that class is native.
func isLibrary(class string) bool { return strings.Contains(class, ".so") || class == "vdso" }
