package jfr

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/podflame/podflame/backend/profile"
)

// A result that is cut until it fits says of its samples what is true of those
// that are left.
func TestFitKeepsTheLedgerTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := profile.NewBuilder(profile.CPU, profile.Limits{MaxNameBytes: 1})
		unvalued := map[string]int64{}
		for i := range rapid.IntRange(1, 30).Draw(t, "stacks") {
			name := string(rune('a' + i))
			count := rapid.Int64Range(1, 9).Draw(t, "count")
			without := rapid.Int64Range(0, count).Draw(t, "without")
			unvalued[name] = without
			b.Add([]uint32{b.Function(name, profile.Java)}, profile.Amount{Value: 10 * (count - without), Count: count})
			b.Note(profile.Unvalued, profile.IntervalUnknown, profile.Amount{Count: without})
		}
		set, coverage, notes := b.BuildNoted()
		r := Result{Sets: []profile.StackSet{set}, Coverage: []profile.Coverage{coverage}, notes: map[profile.Type][][]profile.Loss{profile.CPU: notes}}
		most := rapid.IntRange(1, 30).Draw(t, "frames")
		limit := rapid.SampledFrom([]int{256, 300, 400, 1 << 20}).Draw(t, "limit")
		answer, packed, err := encodeWithin(&r, limit, most)
		if err != nil {
			t.Fatal(err)
		}
		if encoded, err := profile.Encode(r.asWindow()); err != nil || len(encoded) > limit {
			t.Fatalf("%d bytes, %v", len(encoded), err)
		}
		read := profile.DecodeMessage
		if packed {
			read = profile.Decode
		}
		if window, err := read(answer, profile.DefaultDecodeLimits()); err != nil || !cmp.Equal(window, r.asWindow(), cmpopts.EquateEmpty()) {
			t.Fatalf("the answer is %+v, %v", window, err)
		}
		if err := r.asWindow().Check(); err != nil {
			t.Fatal(err)
		}
		var want int64
		for _, set := range r.Sets {
			for _, s := range set.Stacks {
				want += unvalued[set.Functions[s.Frames[0]].Name]
			}
		}
		if got := r.Coverage[0].Sum(profile.Unvalued).Count; got != want {
			t.Fatalf("%d samples are said to have no value, %d have none", got, want)
		}
	})
}
