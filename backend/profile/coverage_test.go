package profile

import "testing"

// Only what was not stored takes part in the sum of a ledger.
func TestOnlyTruncatedAndDroppedAreLost(t *testing.T) {
	for _, o := range Outcomes() {
		b := NewBuilder(CPU, Limits{})
		b.Add([]uint32{b.Function("a", Java)}, Amount{Value: 0, Count: 5})
		if o == Truncated || o == Dropped {
			b.Lose(o, StackMissing, Amount{Value: 7, Count: 1})
		} else {
			b.Note(o, IntervalUnknown, Amount{Count: 5})
		}
		_, coverage := b.Build()
		if err := coverage.Check(); err != nil {
			t.Errorf("%s: %v", o, err)
		}
		if len(coverage.Losses) != 1 || coverage.Losses[0].Outcome.String() != o.String() {
			t.Errorf("%s: ledger has losses %+v", o, coverage.Losses)
		}
	}
}

// A notice may have no amount; it is told once, whatever is merged.
func TestNoticesAreKept(t *testing.T) {
	notice := Loss{Outcome: Noticed, Reason: VirtualThreadLocks}
	losses := AddLosses(nil, notice, Loss{Outcome: Dropped, Reason: StackMissing}, notice)
	if len(losses) != 1 || losses[0] != notice {
		t.Errorf("losses are %+v", losses)
	}
}
