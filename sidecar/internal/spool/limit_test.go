package spool

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podflame/podflame/backend/profile"
)

// A window that is given up has its samples among the lost, and nothing is said
// of stacks that are not stored any more.
func TestStripLeavesOnlyLosses(t *testing.T) {
	b := profile.NewBuilder(profile.CPU, profile.Limits{})
	b.Add([]uint32{b.Function("a", profile.Java)}, profile.Amount{Count: 5})
	b.Lose(profile.Truncated, profile.EventsTruncated, profile.Amount{Value: 7, Count: 1})
	for _, o := range []profile.Outcome{profile.Shortened, profile.Unvalued, profile.Noticed} {
		b.Note(o, profile.IntervalUnknown, profile.Amount{Count: 5})
	}
	set, coverage := b.Build()
	start := time.Unix(1_800_000_000, 0)
	w := &profile.Window{Start: start, End: start.Add(time.Minute), Sets: []profile.StackSet{set}, Coverage: []profile.Coverage{coverage}}
	Strip(w, profile.SpoolFull)
	if err := w.Check(); err != nil {
		t.Error(err)
	}
	want := []profile.Loss{
		{Outcome: profile.Truncated, Reason: profile.EventsTruncated, Value: 7, Count: 1},
		{Outcome: profile.Dropped, Reason: profile.SpoolFull, Count: 5},
	}
	if diff := cmp.Diff(want, w.Coverage[0].Losses); diff != "" {
		t.Errorf("losses (-want +got):\n%s", diff)
	}
}
