package profile

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// A window is measured before it is built: not below what it takes, and not far
// above.
func TestMeasureIsWhatIsBuilt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := genWindow(t)
		encoded, err := Encode(w)
		if err != nil {
			t.Fatal(err)
		}
		packed, err := Unpack(encoded, DefaultDecodeLimits())
		if err != nil {
			t.Fatal(err)
		}
		built, err := packed.Window()
		if err != nil {
			t.Fatal(err)
		}
		var want int64
		for _, set := range built.Sets {
			for _, f := range set.Functions {
				want += functionBytes + int64(len(f.Name))
			}
			for _, s := range set.Stacks {
				want += stackBytes + frameBytes*int64(len(s.Frames))
			}
		}
		if got := packed.Memory(); got < want || got > want+int64(len(packed.message)) {
			t.Fatalf("measured %d bytes, built %d", got, want)
		}
	})
}

// A window that is built to be stored keeps what its stacks have in common once,
// and is the same window.
func TestSharedStacksAreThoseOfTheWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := genWindow(t)
		encoded, err := Encode(w)
		if err != nil {
			t.Fatal(err)
		}
		whole, err := Decode(encoded, DefaultDecodeLimits())
		if err != nil {
			t.Fatal(err)
		}
		packed, err := Unpack(encoded, DefaultDecodeLimits())
		if err != nil {
			t.Fatal(err)
		}
		shared, err := packed.Window()
		if err != nil {
			t.Fatal(err)
		}
		for i := range shared.Sets {
			set := &shared.Sets[i]
			var stacks []Stack
			for _, s := range set.All() {
				stacks = append(stacks, Stack{Frames: slices.Clone(s.Frames), Thread: s.Thread, Value: s.Value, Count: s.Count})
			}
			set.Stacks, set.Shared = stacks, nil
		}
		if diff := cmp.Diff(whole, shared, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
	})
}
