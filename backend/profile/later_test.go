package profile

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
)

// liveWindow is the example with a set of a type that the first version did not have.
func liveWindow(t *testing.T) *Window {
	w := exampleWindow(t)
	b := NewBuilder(Live, Limits{})
	b.Add([]uint32{b.Function("demo.Main.keep", Java)}, Amount{64, 1})
	set, coverage := b.Build()
	w.Sets, w.Coverage = append(w.Sets, set), append(w.Coverage, coverage)
	return w
}

// without leaves fields of a message out, as a decoder does that does not know them.
func without(t *testing.T, message []byte, numbers ...protowire.Number) []byte {
	t.Helper()
	var out []byte
	for len(message) > 0 {
		number, _, n := protowire.ConsumeField(message)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		known := true
		for _, other := range numbers {
			known = known && number != other
		}
		if known {
			out = append(out, message[:n]...)
		}
		message = message[n:]
	}
	return out
}

// A backend of the first version refuses a window with a type that it does not know in
// the fields that it knows. It reads the rest of a window with a later type.
func TestTheFirstVersionReadsTheRestOfAWindow(t *testing.T) {
	first := without(t, appendWindow(nil, liveWindow(t)), fieldLaterSets, fieldLaterCoverage)
	if diff := cmp.Diff(appendWindow(nil, exampleWindow(t)), first); diff != "" {
		t.Errorf("it reads (-want +got):\n%s", diff)
	}
}

// Of a type that is later than this version, too, is told how much is lost.
func TestATypeOfTheFutureCostsItselfOnly(t *testing.T) {
	message := appendWindow(nil, exampleWindow(t))
	future := appendString(nil, 1, "entropy")
	for _, number := range []protowire.Number{fieldLaterSets, fieldLaterCoverage} {
		message = appendBytes(message, number, future)
	}
	got, err := Decode(pack(message), DefaultDecodeLimits())
	if err != nil {
		t.Fatal(err)
	}
	want := exampleWindow(t)
	want.Losses = []Loss{{Outcome: Dropped, Reason: TypeUnknown, Bytes: int64(2 * len(future))}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("window (-want +got):\n%s", diff)
	}
}
