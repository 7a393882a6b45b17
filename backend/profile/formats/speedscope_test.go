package formats_test

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/backend/profile/formats"
)

var update = flag.Bool("update", false, "write the golden files")

// TestSpeedscopeGolden holds the export against a file that speedscope itself reads
// in frontend/e2e/speedscope.test.ts.
func TestSpeedscopeGolden(t *testing.T) {
	b := profile.NewBuilder(profile.CPU, profile.DefaultLimits())
	f := func(name string) uint32 { return b.Function(name, profile.Java) }
	run, pay, round := f("java.lang.Thread.run"), f("shop.Checkout.pay"), f("shop.Price.round")
	b.Add([]uint32{run, pay, round}, profile.Amount{Value: 30e7, Count: 30})
	b.Add([]uint32{run, pay}, profile.Amount{Value: 19e7, Count: 19})
	b.Add([]uint32{run, pay, pay, round}, profile.Amount{Value: 1e7, Count: 1})
	b.Add([]uint32{run, f(`shop.Name.of("<&>", é)`), b.Function("memcpy", profile.Native)}, profile.Amount{Value: 50e7, Count: 50})
	set, _ := b.Build()
	var got bytes.Buffer
	if err := formats.Speedscope(&got, &set, "checkout cpu"); err != nil {
		t.Fatal(err)
	}
	const path = "testdata/checkout.speedscope.json"
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("the export is %s, want that of %s", got.String(), path)
	}
}
