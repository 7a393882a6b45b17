package changes

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/podflame/podflame/backend/internal/calltree"
	"github.com/podflame/podflame/backend/profile"
)

// recording is what JVMs recorded, in order of time: sums by chunk, by JVM.
type recording struct {
	dictionary *calltree.Dictionary
	names      []string
	chunks     [][][]calltree.Sum
}

// readRecording reads a file whose head says what its lines are.
func readRecording(t *testing.T, path string) *recording {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r := &recording{dictionary: calltree.NewDictionary(1 << 28)}
	stacks := [][]byte{nil} // by node: the functions on the way to it
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		kind, rest, _ := strings.Cut(lines.Text(), " ")
		switch kind {
		case "f":
			r.names = append(r.names, rest)
		case "n":
			var parent int
			var function uint64
			if _, err := fmt.Sscan(rest, &parent, &function); err != nil || parent >= len(stacks) || function >= uint64(len(r.names)) {
				t.Fatalf("%s: %v", lines.Text(), err)
			}
			stack := binary.LittleEndian.AppendUint64(slices.Clone(stacks[parent]), function)
			r.dictionary.Add(uint64(len(stacks)), stack)
			stacks = append(stacks, stack)
		case "c":
			r.chunk(t, rest)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	for id, name := range r.names {
		r.dictionary.Name(uint64(id), profile.Function{Name: name})
	}
	return r
}

func (r *recording) chunk(t *testing.T, line string) {
	t.Helper()
	var jvm, chunk int
	fields := strings.Fields(line)
	if _, err := fmt.Sscan(fields[0]+" "+fields[1], &jvm, &chunk); err != nil {
		t.Fatal(err)
	}
	var sums []calltree.Sum
	for _, field := range fields[2:] {
		var s calltree.Sum
		if _, err := fmt.Sscanf(field, "%d:%d:%d", &s.Stack, &s.Count, &s.Value); err != nil {
			t.Fatalf("%s: %v", field, err)
		}
		sums = append(sums, s)
	}
	for len(r.chunks) <= jvm {
		r.chunks = append(r.chunks, nil)
	}
	for len(r.chunks[jvm]) <= chunk {
		r.chunks[jvm] = append(r.chunks[jvm], nil)
	}
	r.chunks[jvm][chunk] = sums
}

// side is made of chunks as a query makes it: eight slices of time for each JVM.
func (r *recording) side(jvms, chunks []int) *Side {
	const slices = 8
	out := NewSide()
	for _, jvm := range jvms {
		for slice := range slices {
			var sums []calltree.Sum
			var total profile.Amount
			for _, chunk := range chunks[slice*len(chunks)/slices : (slice+1)*len(chunks)/slices] {
				sums = append(sums, r.chunks[jvm][chunk]...)
			}
			for _, s := range sums {
				total = total.Add(s.Amount)
			}
			tree, _ := r.dictionary.Tree(sums)
			out.Add(jvm, total, tree)
		}
	}
	return out
}

// from are n numbers in order.
func from(first, n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = first + i
	}
	return out
}

// TestFalseAlarmsOfARecording compares parts of one recording to each other, in
// three ways: one time to another of the same JVMs, two JVMs to the two others in
// the same time, and chunks to others drawn from the whole time.
func TestFalseAlarmsOfARecording(t *testing.T) {
	r := readRecording(t, "testdata/shop.txt")
	n := len(r.chunks[0])
	for way, sides := range map[string]func(random *rand.Rand) (*Side, *Side){
		"times": func(random *rand.Rand) (*Side, *Side) {
			length := n/4 + random.IntN(n/4)
			first := random.IntN(n - 2*length + 1)
			second := first + length + random.IntN(n-2*length-first+1)
			return r.side(from(0, 4), from(first, length)), r.side(from(0, 4), from(second, length))
		},
		"JVMs": func(random *rand.Rand) (*Side, *Side) {
			jvms, length := random.Perm(4), n/2+random.IntN(n/2)
			chunks := from(random.IntN(n-length+1), length)
			return r.side(jvms[:2], chunks), r.side(jvms[2:], chunks)
		},
		"chunks": func(random *rand.Rand) (*Side, *Side) {
			chunks := random.Perm(n)
			return r.side(from(0, 4), chunks[:n/2]), r.side(from(0, 4), chunks[n/2:])
		},
	} {
		t.Run(way, func(t *testing.T) {
			alarms, undecided := 0, 0
			for seed := range uint64(100) {
				base, head := sides(rand.New(rand.NewPCG(seed, 4)))
				result := Compare(base, head)
				if result.Tested < 20 {
					t.Fatalf("seed %d: of %+v and %+v %+v", seed, base.total(), head.total(), result)
				}
				if !result.Enough {
					undecided++
				}
				if len(result.Changes) > 0 {
					alarms++
					t.Logf("seed %d: %+v", seed, result.Changes[0])
				}
			}
			t.Logf("%d of 100 are alarms, %d undecided", alarms, undecided)
			if undecided > 5 {
				t.Errorf("%d of 100 comparisons are not decided, at most 5 may be", undecided)
			}
			if alarms > 3 {
				t.Errorf("%d of 100 comparisons of a service to itself are alarms, at most 3 may be", alarms)
			}
		})
	}
}
