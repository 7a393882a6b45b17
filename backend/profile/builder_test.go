package profile

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBuilderKeepsTheHeaviest(t *testing.T) {
	b := NewBuilder(CPU, Limits{MaxStacks: 2})
	main := b.Function("main", Java)
	for name, value := range map[string]int64{"light": 1, "heavy": 100, "middle": 10} {
		b.Add([]uint32{main, b.Function(name, Java)}, Amount{value, 1})
	}
	set, coverage := b.Build()
	want := StackSet{
		Type:      CPU,
		Functions: []Function{{"heavy", Java}, {"main", Java}, {"middle", Java}},
		Stacks:    []Stack{{Frames: []uint32{1, 0}, Value: 100, Count: 1}, {Frames: []uint32{1, 2}, Value: 10, Count: 1}},
	}
	if diff := cmp.Diff(want, set); diff != "" {
		t.Error(diff)
	}
	wantLosses := []Loss{{Outcome: Truncated, Reason: StackLimit, Value: 1, Count: 1}}
	if diff := cmp.Diff(wantLosses, coverage.Losses); diff != "" {
		t.Error(diff)
	}
}

func TestBuilderShortens(t *testing.T) {
	b := NewBuilder(CPU, Limits{MaxDepth: 2, MaxNameBytes: 3})
	b.Add([]uint32{b.Function("a", Java), b.Function("b", Java), b.Function("c", Java)}, Amount{5, 1})
	b.Add([]uint32{b.Function("abé", Java)}, Amount{7, 1})
	set, coverage := b.Build()
	want := StackSet{
		Type:      CPU,
		Functions: []Function{{CutFrames, Omitted}, {"ab", Java}, {"c", Java}},
		Stacks:    []Stack{{Frames: []uint32{0, 2}, Value: 5, Count: 1}, {Frames: []uint32{1}, Value: 7, Count: 1}},
	}
	if diff := cmp.Diff(want, set); diff != "" {
		t.Error(diff)
	}
	wantLosses := []Loss{
		{Outcome: Shortened, Reason: DepthLimit, Value: 5, Count: 1},
		{Outcome: Shortened, Reason: NameLimit, Value: 7, Count: 1},
	}
	if diff := cmp.Diff(wantLosses, coverage.Losses); diff != "" {
		t.Error(diff)
	}
	if err := coverage.Check(); err != nil {
		t.Error(err)
	}
}

// What is said of stored samples is said of no others: it goes with stacks that a
// limit takes, at once or at the end.
func TestBuilderNotesOnlyWhatIsStored(t *testing.T) {
	b := NewBuilder(CPU, Limits{MaxStacks: 1, MaxNameBytes: 4})
	heavy := Amount{Value: 100, Count: 10}
	b.Add([]uint32{b.Function("heavy", Java)}, heavy)
	b.Note(Unvalued, IntervalUnknown, Amount{Count: 3})
	for _, name := range []string{"light-1", "dark-2", "blue-3", "grey-4", "pale-5"} { // more than are held until the end
		b.Add([]uint32{b.Function(name, Java)}, Amount{Value: 1, Count: 2})
		b.Note(Unvalued, TickUnknown, Amount{Count: 1})
	}
	_, coverage, notes := b.BuildNoted()
	want := []Loss{
		{Outcome: Truncated, Reason: StackLimit, Value: 5, Count: 10},
		{Outcome: Shortened, Reason: NameLimit, Value: 100, Count: 10},
		{Outcome: Unvalued, Reason: IntervalUnknown, Count: 3},
	}
	if diff := cmp.Diff(want, coverage.Losses); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([][]Loss{want[1:]}, notes); diff != "" {
		t.Error(diff)
	}
	coverage.TakeNotes(notes[0])
	if diff := cmp.Diff(want[:1], coverage.Losses); diff != "" {
		t.Error(diff)
	}
}

func TestBuilderBoundsPendingStacks(t *testing.T) {
	b := NewBuilder(CPU, Limits{MaxStacks: 10})
	for i := range 1000 {
		b.Add([]uint32{b.Function(string(rune('a'+i)), Java)}, Amount{1, 1})
	}
	if len(b.stacks) > pendingFactor*10 {
		t.Errorf("builder holds %d stacks", len(b.stacks))
	}
	set, coverage := b.Build()
	if len(set.Stacks) != 10 || coverage.Sum(Truncated) != (Amount{990, 990}) {
		t.Errorf("kept %d stacks, truncated %+v", len(set.Stacks), coverage.Sum(Truncated))
	}
}

func BenchmarkBuilder(b *testing.B) {
	const functions, depth = 5000, 60
	builder := NewBuilder(CPU, DefaultLimits())
	ids := make([]uint32, functions)
	for i := range ids {
		ids[i] = builder.Function("com.example.service.Class.method"+string(rune('A'+i%26))+string(rune(0x4e00+i)), Java)
	}
	frames := make([]uint32, depth)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		for i := range frames {
			frames[i] = ids[(n%3000*7+i*i)%functions]
		}
		builder.Add(frames, Amount{10_000_000, 1})
	}
}
