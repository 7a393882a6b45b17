package jfr

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podflame/podflame/backend/profile"
)

// What each thread group has is the sum of what the profiler's own converter says
// of its threads.
func TestThreadGroupsEqualGroundTruth(t *testing.T) {
	f, err := os.Open(filepath.Join(fixtures, "mixed.cpu.threads.collapsed"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	groupOf := map[string]string{
		"C2 CompilerThre": "C2 CompilerThre", "GC Thread#0": "GC Thread#", "GC Thread#1": "GC Thread#", "VM Thread": "VM Thread",
		"alloc-0": "alloc-#", "cpu-0": "cpu-#", "lock-0": "lock-#", "lock-1": "lock-#", "lock-2": "lock-#",
		"park-0": "park-#", "park-1": "park-#", "park-2": "park-#",
	}
	line := regexp.MustCompile(`^\[(.*) tid=\d+\];.* (\d+)$`)
	want := map[string]int64{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		m := line.FindStringSubmatch(lines.Text())
		if m == nil || groupOf[m[1]] == "" {
			t.Fatalf("line %q", lines.Text())
		}
		n, _ := strconv.ParseInt(m[2], 10, 64)
		want[groupOf[m[1]]] += n
	}
	got := map[string]int64{}
	for _, s := range decodeFixture(t, "mixed", profile.CPU).Stacks {
		got[s.Thread] += s.Value
	}
	if diff := cmp.Diff(want, got); diff != "" || len(got) == 0 {
		t.Errorf("samples by group (-converter +ours):\n%s", diff)
	}
}

// Whether threads are told apart or not, a recording holds the same stacks,
// and where they are not none of them has a name.
func TestThreadGroupsOnlyTakeStacksApart(t *testing.T) {
	for _, path := range []string{"mixed", "cpu-wall", "jdk25-cputimesample"} {
		f, layout := openFixture(t, path)
		with, without := DefaultOptions(), DefaultOptions()
		with.Limits, without.Limits, without.NoThreads = profile.Limits{}, profile.Limits{}, true
		apart := decode(f, layout.Chunks, &with, func(int) {})
		plain := decode(f, layout.Chunks, &without, func(int) {})
		named := 0
		for i, set := range apart.Sets {
			for j := range set.Stacks {
				if set.Stacks[j].Thread != "" {
					named++
				}
				set.Stacks[j].Thread = ""
			}
			apart.Sets[i] = profile.Merge(set.Type, &set)
		}
		if diff := cmp.Diff(plain.Sets, apart.Sets); diff != "" {
			t.Errorf("%s (-without threads +with):\n%.3000s", path, diff)
		}
		if diff := cmp.Diff(plain.Coverage, apart.Coverage); diff != "" {
			t.Errorf("ledgers of %s (-without threads +with):\n%.3000s", path, diff)
		}
		if named == 0 && len(plain.Sets) > 0 {
			t.Errorf("%s has no thread with a name", path)
		}
		for _, set := range plain.Sets {
			for _, s := range set.Stacks {
				if s.Thread != "" {
					t.Fatalf("%s: thread group %q", path, s.Thread)
				}
			}
		}
	}
}
