package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podflame/podflame/backend/internal/calltree"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/storetest"
	"github.com/podflame/podflame/backend/profile"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// today is a moment whose surrounding hours are in the past, within one day and
// within retention.
func today() time.Time {
	return time.Now().UTC().Truncate(24 * time.Hour).Add(-24 * time.Hour).Add(10 * time.Hour)
}

// noSkew makes roll-ups usable at once: there is one clock.
func noSkew(c *store.Config) { c.ClockSkew = time.Millisecond }

// maker makes windows of one target out of random stacks.
type maker struct {
	random *rand.Rand
	target profile.Target
	length time.Duration
	stacks int
	types  []profile.Type
}

func newMaker(service string, pod int) *maker {
	return &maker{
		random: rand.New(rand.NewPCG(uint64(pod), 42)),
		target: profile.Target{
			Cluster: "c1", Namespace: "shop", Service: service, Version: fmt.Sprintf("v%d", pod%2), Pod: fmt.Sprintf("%s-%d", service, pod),
			PodUID: fmt.Sprintf("uid-%s-%d", service, pod), Node: "node-1", Container: "app", PID: 17,
			JVMStart: today().Add(-time.Hour), JVMVersion: "21.0.4", MainClass: "com.example.Main",
		},
		length: time.Minute,
		stacks: 50,
		types:  profile.Types(),
	}
}

// headers is how many a window of all types has.
func headers() uint64 { return uint64(len(profile.Types()) + 1) }

func (m *maker) window(start time.Time) *profile.Window {
	w := &profile.Window{
		Target: m.target, Session: "session-1", Start: start, End: start.Add(m.length),
		Recorded: profile.Span{Start: start.Add(3 * time.Millisecond), End: start.Add(m.length)},
		Settings: profile.Settings{Engine: "ctimer", CPUInterval: 10 * time.Millisecond, AllocInterval: 512 << 10, LockThreshold: 10 * time.Millisecond},
	}
	w.ID = profile.NewWindowID(m.target.SeriesID(), w.Session, start)
	for _, t := range m.types {
		set, coverage := m.set(t)
		w.Sets, w.Coverage = append(w.Sets, set), append(w.Coverage, coverage)
	}
	return w
}

// lasting is a window of another length than usual.
func (m *maker) lasting(start time.Time, length time.Duration) *profile.Window {
	w := m.window(start)
	w.End, w.Recorded.End = start.Add(length), start.Add(length)
	return w
}

func (m *maker) set(t profile.Type) (profile.StackSet, profile.Coverage) {
	b := profile.NewBuilder(t, profile.DefaultLimits())
	for range m.stacks {
		frames := []uint32{b.Function("java.lang.Thread.run", profile.Java)}
		for range 1 + m.random.IntN(20) {
			n := m.random.IntN(200)
			frames = append(frames, b.Function(fmt.Sprintf("com.example.pack%d.Class%d.method%d", n%7, n%31, n), profile.Kind(n%5)))
		}
		b.Add(frames, profile.Amount{Value: 1 + m.random.Int64N(1e9), Count: 1 + m.random.Int64N(100)})
	}
	b.Lose(profile.Truncated, profile.StackLimit, profile.Amount{Value: 7, Count: 2})
	return b.Build()
}

func insert(t testing.TB, s *store.Store, w *profile.Window) store.Result {
	t.Helper()
	result, err := s.Insert(context.Background(), w)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func selection(service string, t profile.Type, from time.Time, length time.Duration) store.Selection {
	return store.Selection{
		ServiceKey: store.ServiceKey{Cluster: "c1", Namespace: "shop", Service: service},
		Type:       t, Range: store.Range{From: from, To: from.Add(length)},
	}
}

// merged is what the windows hold of a type.
func merged(t profile.Type, windows ...*profile.Window) profile.StackSet {
	var sets []*profile.StackSet
	for _, w := range windows {
		if set := w.Set(t); set != nil {
			sets = append(sets, set)
		}
	}
	return profile.Merge(t, sets...)
}

// read returns the stack set of a selection in its normal form.
func read(t testing.TB, s *store.Store, sel store.Selection) profile.StackSet {
	t.Helper()
	sums, err := s.Sums(context.Background(), sel)
	if err != nil {
		t.Fatal(err)
	}
	set, side := stacksOf(sums.Tree, 0, sel.Type), sums.Sides[0]
	if got := set.Total(); got.Add(side.Omitted) != side.Total {
		t.Errorf("stacks %+v and omitted %+v are not the total %+v", got, side.Omitted, side.Total)
	}
	return set
}

// stacksOf reads a side of a tree back.
func stacksOf(tree *calltree.Tree, side int, typ profile.Type) profile.StackSet {
	whole, _ := tree.Prune(tree.Size())
	return whole.StackSet(side, typ)
}

func diff(t testing.TB, what string, want, got profile.StackSet) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%.2000s", what, d)
	}
}

func TestWindowsComeBackAsTheyWere(t *testing.T) {
	s := storetest.Open(t)
	m, other := newMaker("cart", 0), newMaker("cart", 1)
	from := today()
	var windows []*profile.Window
	for i := range 5 {
		start := from.Add(time.Duration(i) * time.Minute)
		windows = append(windows, m.window(start), other.window(start))
	}
	noise := newMaker("checkout", 0).window(from)
	insert(t, s, noise)
	for _, w := range windows {
		if r := insert(t, s, w); r.Duplicate || r.Rows == 0 {
			t.Errorf("insert of a new window = %+v", r)
		}
	}
	for _, typ := range profile.Types() {
		diff(t, string(typ), merged(typ, windows...), read(t, s, selection("cart", typ, from, time.Hour)))
		diff(t, "second time, from the cache", merged(typ, windows...), read(t, s, selection("cart", typ, from, time.Hour)))
	}
	diff(t, "two of five minutes", merged(profile.CPU, windows[2:6]...), read(t, s, selection("cart", profile.CPU, from.Add(time.Minute), 2*time.Minute)))

	narrowed := selection("cart", profile.CPU, from, time.Hour)
	narrowed.Versions = []string{"v1"}
	odd := []*profile.Window{windows[1], windows[3], windows[5], windows[7], windows[9]}
	diff(t, "one version", merged(profile.CPU, odd...), read(t, s, narrowed))
	narrowed.Versions, narrowed.Pods = []string{"v0", "v1"}, []string{other.target.Pod, "no such pod"}
	diff(t, "one pod", merged(profile.CPU, odd...), read(t, s, narrowed))
	narrowed.Versions, narrowed.Pods = nil, nil
	narrowed.Containers, narrowed.Nodes = []string{other.target.Container}, []string{other.target.Node, "no such node"}
	diff(t, "all of a container and a node", merged(profile.CPU, windows...), read(t, s, narrowed))
	narrowed.Nodes = []string{"no such node"}
	diff(t, "of no node", profile.StackSet{Type: profile.CPU, Functions: []profile.Function{}}, read(t, s, narrowed))
	narrowed.Containers, narrowed.Nodes, narrowed.Series = nil, nil, []uint64{other.target.SeriesID()}
	diff(t, "one target", merged(profile.CPU, odd...), read(t, s, narrowed))

	if got := read(t, s, selection("nobody", profile.CPU, from, time.Hour)); len(got.Stacks) != 0 {
		t.Errorf("a service without data has %d stacks", len(got.Stacks))
	}
}

func TestAnotherStoreReadsWhatOneWrote(t *testing.T) {
	var dsn string
	s := storetest.Open(t, func(c *store.Config) { dsn = c.DSN })
	w := newMaker("cart", 0).window(today())
	insert(t, s, w)
	// External servers are reached by address; this is one.
	server := storetest.Server(t)
	external := strings.Replace(dsn, "embedded:9000", server.Address(), 1)
	second, err := store.Open(store.Config{DSN: external, RetentionDays: 7, Unscoped: true, Limits: store.DefaultLimits()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = second.Close() }()
	if err := second.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	diff(t, "external", merged(profile.CPU, w), read(t, second, selection("cart", profile.CPU, today(), time.Hour)))
	if r := insert(t, second, w); !r.Duplicate {
		t.Errorf("insert through another store = %+v, want a duplicate", r)
	}
}

func TestHostileNames(t *testing.T) {
	s := storetest.Open(t)
	for i, name := range []string{
		`'; DROP TABLE samples; --`, "tab\tnew\nline\\ \\' \"", "{service:String}", "@.samples", "日本語 🔥", "\x00\x01\x7f", "%s %d", `\N`, "NULL",
	} {
		m := newMaker(name, i)
		m.target.Namespace, m.target.Cluster, m.target.Version = name, name, name
		m.target.Pod, m.target.Node = name, name
		w := m.window(today())
		w.Sets[0].Functions[0].Name += name
		w.Losses = []profile.Loss{{Outcome: profile.Dropped, Reason: profile.Reason(name), Bytes: 1}}
		insert(t, s, w)
		sel := selection(name, profile.CPU, today(), time.Hour)
		sel.Namespace, sel.Cluster, sel.Versions, sel.Pods, sel.Nodes = name, name, []string{name}, []string{name}, []string{name}
		diff(t, name, merged(profile.CPU, w), read(t, s, sel))
		cells, _, err := s.Timeline(t.Context(), sel, sel.From, time.Hour)
		if err != nil || cells[0].Windows.Stored != 1 {
			t.Errorf("timeline of %q = %+v, %v", name, cells, err)
		}
		if r := insert(t, s, w); !r.Duplicate {
			t.Errorf("%q: not found again", name)
		}
		status := store.TargetStatus{Target: m.target, Detail: name, Reason: profile.Reason(name)}
		if err := s.PutTargets(t.Context(), []store.TargetStatus{status}); err != nil {
			t.Error(err)
		}
		found, _, _, err := s.Targets(t.Context(), store.TargetFilter{Service: name, Namespaces: []string{name}})
		if err != nil || len(found) != 1 || found[0].Detail != name {
			t.Errorf("targets of %q = %+v, %v", name, found, err)
		}
	}
	list, _, _, err := s.Services(t.Context(), store.ServiceFilter{Range: store.Range{From: today(), To: today().Add(time.Hour)}})
	if err != nil || len(list) != 9 {
		t.Errorf("%d services, %v; want 9", len(list), err)
	}
}
