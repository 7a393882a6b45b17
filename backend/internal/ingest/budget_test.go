package ingest

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// Whatever sources do, a budget is never exceeded, a source that has little gets
// some, and in the end all is given back.
func TestBudget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Int64Range(8, 1000).Draw(t, "limit")
		b := newBudget("bytes", limit)
		taken := map[string][]int64{}
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			source := fmt.Sprint("s", rapid.IntRange(0, 3).Draw(t, "source"))
			if rapid.Bool().Draw(t, "give") && len(taken[source]) > 0 {
				b.give(source, taken[source][0])
				taken[source] = taken[source][1:]
			} else if bytes := rapid.Int64Range(1, limit).Draw(t, "bytes"); b.try(source, bytes) == nil {
				taken[source] = append(taken[source], bytes)
			}
			if b.used > limit || b.used < 0 {
				t.Fatalf("%d of %d are used", b.used, limit)
			}
		}
		for source, all := range taken {
			for _, bytes := range all {
				b.give(source, bytes)
			}
		}
		if b.used != 0 || len(b.by) != 0 {
			t.Fatalf("%d are used by %v in the end", b.used, b.by)
		}
	})
}

func TestOneSourceLeavesRoomForOthers(t *testing.T) {
	b := newBudget("bytes", 100)
	for b.try("greedy", 5) == nil {
	}
	if b.used != 75 {
		t.Errorf("one source has %d of 100", b.used)
	}
	if err := b.try("modest", 20); err != nil {
		t.Errorf("another gets nothing: %v", err)
	}
}
