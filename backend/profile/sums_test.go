package profile

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// A sum is exact, or it says that it is not: it is never negative, and never
// less than what was added.
func TestSumsAreExactOrSaySo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amounts := rapid.SliceOfN(rapid.Int64Range(0, math.MaxInt64), 1, 6).Draw(t, "amounts")
		exact := new(big.Int)
		var sum Amount
		var losses []Loss
		ledgers := make([]Coverage, len(amounts))
		b := NewBuilder(CPU, Limits{})
		stack := []uint32{b.Function("a", Java)}
		for i, v := range amounts {
			exact.Add(exact, big.NewInt(v))
			a := Amount{v, v}
			sum = sum.Add(a)
			losses = AddLosses(losses, Loss{Outcome: Dropped, Reason: StackMissing, Value: v, Count: v, Bytes: v})
			ledgers[i] = Coverage{Type: CPU, Captured: a, Stored: a, Raw: v}
			b.Add(stack, a)
		}
		set, coverage := b.Build()
		want := int64(math.MaxInt64)
		if exact.IsInt64() {
			want = exact.Int64()
		}
		merged := MergeCoverage(CPU, ledgers...)
		for name, got := range map[string]int64{
			"Add": sum.Value, "Total": set.Total().Count, "Build": coverage.Stored.Value, "MergeCoverage": merged.Captured.Value, "raw": merged.Raw,
		} {
			if got != want {
				t.Fatalf("%s of %v is %d, want %d", name, amounts, got, want)
			}
		}
		if len(losses) > 0 && losses[0].Bytes != want {
			t.Fatalf("losses of %v are %d, want %d", amounts, losses[0].Bytes, want)
		}
		if sum.Exact() != (exact.IsInt64() && want < math.MaxInt64) {
			t.Fatalf("sum %d of %v says exact: %t", sum.Value, amounts, sum.Exact())
		}
	})
}
