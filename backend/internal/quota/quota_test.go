package quota_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/podflame/podflame/backend/internal/quota"
)

// Whatever enters and leaves, each key has at most the limit, is let in below it,
// and is forgotten with its last.
func TestEachHasItsPart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := quota.New[string](rapid.IntRange(1, 4).Draw(t, "limit"))
		have := map[string]int{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			key := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key")
			if have[key] > 0 && rapid.Bool().Draw(t, "leaves") {
				q.Leave(key)
				if have[key]--; have[key] == 0 {
					delete(have, key)
				}
			} else if entered, want := q.Enter(key), have[key] < q.Limit(); entered != want {
				t.Fatalf("%s has %d of %d, and is let in: %t", key, have[key], q.Limit(), entered)
			} else if entered {
				have[key]++
			}
			if q.Keys() != len(have) {
				t.Fatalf("%d keys are known, %d have some", q.Keys(), len(have))
			}
		}
	})
}
