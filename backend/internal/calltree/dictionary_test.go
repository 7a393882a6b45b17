package calltree

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/podflame/podflame/backend/profile"
)

func packed(functions ...uint64) []byte {
	var out []byte
	for _, f := range functions {
		out = binary.LittleEndian.AppendUint64(out, f)
	}
	return out
}

func TestFullDictionaryTakesNoMoreAndSaysSo(t *testing.T) {
	d := NewDictionary(8 << 10)
	var sums []Sum
	taken := 0
	for id := range uint64(10_000) {
		if d.Add(id, packed(1, 2, id+3)) {
			taken++
		}
		sums = append(sums, Sum{id, profile.Amount{Value: 1, Count: 1}})
	}
	if taken == 0 || taken == len(sums) || d.Bytes() > 3*8<<10 {
		t.Fatalf("%d stacks were taken in %d bytes", taken, d.Bytes())
	}
	if !d.Add(0, nil) {
		t.Error("a stack that is held already was refused")
	}
	if missing := d.Find(sums).Missing(); len(missing) != len(sums)-taken || missing[0] != uint64(taken) {
		t.Errorf("%d are missing, the first %d", len(missing), missing[0])
	}
	tree, lacking := d.Tree(sums)
	if lacking[0].Stacks != len(sums)-taken || lacking[0].Value != int64(len(sums)-taken) || tree.Totals()[0].Value != int64(taken) {
		t.Errorf("lacks %+v, holds %+v", lacking, tree.Totals()[0])
	}
}

// A program that never takes a stack twice fills the tree; after that a stack
// costs no more than its id.
func TestFullTreeHoldsStacksAsFarAsItKnowsThem(t *testing.T) {
	d := NewDictionary(64 << 10)
	var sums []Sum
	deep := func(id uint64) (path []uint64) {
		for depth := range uint64(40) {
			path = append(path, 1+id%(depth+1)) // the deeper, the rarer
		}
		return path
	}
	for id := range uint64(160) {
		if !d.Add(id, packed(deep(id)...)) {
			t.Fatalf("stack %d was refused in %d bytes", id, d.Bytes())
		}
		sums = append(sums, Sum{id, profile.Amount{Value: 1, Count: 1}})
	}
	tree, lacking := d.Tree(sums)
	check(t, tree.whole())
	rest := tree.text(0).where(func(path []string) bool { return slices.Contains(path, OmittedFrames) }).total()
	if whole := tree.Totals()[0]; whole.Count != 160 || lacking[0] != (Lacking{Cut: rest}) || rest.Count == 0 || rest == whole {
		t.Errorf("the tree holds %+v, %+v of it cut, and lacks %+v", whole, rest, lacking[0])
	}
}

func TestCrowded(t *testing.T) {
	list := func(from, to uint64) (sums []Sum) {
		for id := from; id < to; id++ {
			sums = append(sums, Sum{id, profile.Amount{Value: 1}})
		}
		return sums
	}
	roomy, full := NewDictionary(1<<20), NewDictionary(16<<10)
	for id := range uint64(400) {
		roomy.Add(id, packed(id, id+1))
		full.Add(id, packed(id, id+1, id+2))
	}
	for _, test := range []struct {
		name  string
		d     *Dictionary
		lists [][]Sum
		want  bool
	}{
		{"all are whole", roomy, [][]Sum{list(0, 400)}, false},
		{"few of many, whole", roomy, [][]Sum{list(0, 10)}, false},
		{"its own stacks are cut", full, [][]Sum{list(0, 400)}, false},
		{"those of others are whole", full, [][]Sum{list(380, 400)}, true},
		{"one of two sides is cut", full, [][]Sum{list(0, 10), list(380, 400)}, true},
		{"missing, and others have the room", full, [][]Sum{list(1000, 1010)}, true},
		{"missing, and there is room", roomy, [][]Sum{list(1000, 1010)}, false},
		{"a twentieth is missing", roomy, [][]Sum{list(381, 401)}, false},
		{"nothing", roomy, [][]Sum{nil}, false},
	} {
		if got := test.d.Find(test.lists...).Crowded(); got != test.want {
			t.Errorf("%s: crowded is %v, want %v", test.name, got, test.want)
		}
	}
}

// Functions whose names are lost are one function, and their siblings one node.
func TestUnnamedFunctionsAreOne(t *testing.T) {
	d := NewDictionary(1 << 20)
	d.Add(1, packed(1, 2, 4))
	d.Add(2, packed(1, 3, 4))
	d.Name(1, profile.Function{Name: "main"})
	d.Name(4, profile.Function{Name: "leaf"})
	d.Name(99, profile.Function{Name: "of no stack"})
	if got := d.Nameless(); !slices.Equal(got, []uint64{2, 3}) {
		t.Errorf("nameless are %v", got)
	}
	tree, _ := d.Tree([]Sum{{1, profile.Amount{Value: 1}}, {2, profile.Amount{Value: 2}}})
	check(t, tree.whole())
	if got := tree.text(0)["main;[unknown];leaf"]; got.Value != 3 || tree.Size() != 3 {
		t.Errorf("the tree holds %v", tree.text(0))
	}
}

func TestReadersNeedNoLockWhileStacksArrive(t *testing.T) {
	d := NewDictionary(1 << 20)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for id := range uint64(300) {
				d.Add(id, packed(1, id%7, id%11, id))
				d.Name(id, profile.Function{Name: strconv.FormatUint(id, 10)})
			}
		})
		wg.Go(func() {
			for n := range 40 {
				var sums []Sum
				for id := range uint64(n * 7) {
					sums = append(sums, Sum{id, profile.Amount{Value: 1}})
				}
				tree, lacking := d.Tree(sums)
				check(t, tree.whole())
				pruned, _ := tree.Prune(20)
				if got := pruned.Totals(0)[0].Value + lacking[0].Value; got != int64(len(sums)) {
					t.Errorf("total is %d, want %d", got, len(sums))
				}
			}
		})
	}
	wg.Wait()
}

func TestWhatWasNotReadIsInTheTotal(t *testing.T) {
	d := NewDictionary(1 << 20)
	d.Add(1, packed(1, 2))
	for _, limit := range []int{0, 1, 5} {
		tree, _ := d.Tree([]Sum{{1, profile.Amount{Value: 1, Count: 1}}})
		without, _ := tree.Prune(limit)
		nothing, _ := tree.Prune(limit, profile.Amount{})
		if without.Size() != nothing.Size() {
			t.Error("nothing was left out, and a node was added")
		}
		pruned, report := tree.Prune(limit, profile.Amount{Value: 5, Count: 2})
		check(t, pruned)
		if got := pruned.Totals(0)[0]; got != (profile.Amount{Value: 6, Count: 3}) {
			t.Errorf("limit %d: total is %+v in %v", limit, got, pruned.text(0))
		}
		if pruned.Functions[pruned.Function[1]].Kind != profile.Omitted || report.Omitted[0].Value < 5 {
			t.Errorf("limit %d: the heaviest child is not what was omitted: %v, %+v", limit, pruned.text(0), report)
		}
	}
}

// A name for which there is no room is cut, not left out, and stays one of its own.
func TestNamesAreBounded(t *testing.T) {
	const limit = 64 << 10
	d := NewDictionary(limit)
	for id := range uint64(200) {
		if !d.Add(id, packed(id+1)) {
			t.Fatalf("stack %d was refused in %d bytes", id, d.Bytes())
		}
	}
	begin, names := strings.Repeat("é", 1500), map[string]bool{}
	for _, id := range d.Nameless() {
		if !d.Name(id, profile.Function{Name: begin + strconv.FormatUint(id, 10)}) {
			t.Fatalf("name %d was refused", id)
		}
	}
	whole := 0
	for _, f := range d.current().names[1:] {
		names[f.Name] = true
		if !utf8.ValidString(f.Name) {
			t.Errorf("%q is not UTF-8", f.Name)
		}
		if strings.HasPrefix(f.Name, begin) {
			whole++
		}
	}
	if len(names) != 200 || whole == 0 || whole == 200 || d.Bytes() > limit {
		t.Errorf("%d names in %d bytes, %d of them whole", len(names), d.Bytes(), whole)
	}
}

// Who may not grow as far as a dictionary may is told to wait, and nothing is cut.
func TestRoomForNow(t *testing.T) {
	d := NewDictionary(1 << 20)
	d.allow(16 << 10)
	id := uint64(0)
	for d.Add(id, packed(1, 2, id+3)) {
		id++
	}
	if !d.Waits() || d.short || d.Name(1, profile.Function{Name: strings.Repeat("n", 4<<10)}) {
		t.Errorf("after %d bytes of 16 KiB it does not wait, or cuts", d.Bytes())
	}
	d.allow(2 << 20)
	if d.Waits() || !d.Add(id, packed(1, 2, id+3)) {
		t.Error("with room for more it waits")
	}
	if found := d.Find([]Sum{{id, profile.Amount{Value: 1}}}); found.missing != 0 || found.Crowded() {
		t.Error("a stack that came later is cut")
	}
}
