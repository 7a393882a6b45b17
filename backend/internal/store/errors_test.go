package store_test

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/podflame/podflame/backend/internal/calltree"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/storetest"
	"github.com/podflame/podflame/backend/profile"
)

func TestClasses(t *testing.T) {
	exception := func(code int32, message string) error {
		return fmt.Errorf("wrapped: %w", &clickhouse.Exception{Code: code, Message: message})
	}
	for _, test := range []struct {
		name        string
		err         error
		write, read store.Class
	}{
		{"too many parts", exception(252, "Too many parts (3000)"), store.Unavailable, store.Unavailable},
		{"too many parts in a table", exception(252, "Too many parts (100001) in all partitions in total in table 'podflame.samples'. This indicates wrong choice of partition key."), store.Unavailable, store.Unavailable},
		{"too many partitions", exception(252, "Too many partitions for single INSERT block"), store.Refused, store.Refused},
		{"memory of a query", exception(241, "Query memory limit exceeded"), store.Unavailable, store.TooExpensive},
		{"memory of the server", exception(241, "(total) memory limit exceeded"), store.Unavailable, store.Unavailable},
		{"queries at a time", exception(202, ""), store.Unavailable, store.Unavailable},
		{"disk full", exception(243, ""), store.Unavailable, store.Unavailable},
		{"shutdown", exception(236, ""), store.Unavailable, store.Unavailable},
		{"unknown status", exception(319, ""), store.UnknownOutcome, store.UnknownOutcome},
		{"time", exception(159, ""), store.Unavailable, store.TooExpensive},
		{"rows", exception(158, ""), store.Unavailable, store.TooExpensive},
		{"bytes", exception(307, ""), store.Unavailable, store.TooExpensive},
		{"password", exception(516, ""), store.Unavailable, store.Unavailable},
		{"type", exception(53, ""), store.Refused, store.Unavailable},
		{"refused connection", &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, store.Unavailable, store.Unavailable},
		{"broken connection", &net.OpError{Op: "write", Err: syscall.EPIPE}, store.UnknownOutcome, store.Unavailable},
		{"end of connection", io.EOF, store.UnknownOutcome, store.Unavailable},
		{"pool", clickhouse.ErrAcquireConnTimeout, store.Unavailable, store.Unavailable},
		{"rows that do not fit", clickhouse.ErrBatchInvalid, store.Refused, store.Refused},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := store.ClassOf(true, test.err); got != test.write {
				t.Errorf("writing: %s, want %s", got, test.write)
			}
			if got := store.ClassOf(false, test.err); got != test.read {
				t.Errorf("reading: %s, want %s", got, test.read)
			}
		})
	}
}

func wantClass(t *testing.T, what string, err error, want store.Class, text string) {
	t.Helper()
	e, ok := errors.AsType[*store.Error](err)
	if !ok || e.Class != want || !strings.Contains(err.Error(), text) {
		t.Errorf("%s: %v, want class %s and %q", what, err, want, text)
	}
}

func TestExpensiveQueries(t *testing.T) {
	s := storetest.Open(t, func(c *store.Config) { c.Limits.QueryRows = 100 })
	m := newMaker("cart", 0)
	for i := range 4 {
		insert(t, s, m.window(today().Add(time.Duration(i)*time.Minute)))
	}
	_, err := s.Sums(t.Context(), selection("cart", profile.CPU, today(), time.Hour))
	wantClass(t, "rows", err, store.TooExpensive, "narrow the time range")
	if e, ok := errors.AsType[*store.Error](err); ok && e.Said() != "it would read more than 100 rows (--query-rows)" {
		t.Errorf("people are told %q", e.Said())
	}
}

func TestBadSelections(t *testing.T) {
	s := storetest.Open(t)
	good := selection("cart", profile.CPU, today(), time.Hour)
	for _, test := range []struct {
		name   string
		change func(*store.Selection)
		want   string
	}{
		{"no service", func(sel *store.Selection) { sel.Service = "" }, "no service"},
		{"no type", func(sel *store.Selection) { sel.Type = "" }, "profile type"},
		{"unknown type", func(sel *store.Selection) { sel.Type = "gpu" }, `"gpu"`},
		{"reversed", func(sel *store.Selection) { sel.From, sel.To = sel.To, sel.From }, "empty or reversed"},
		{"huge", func(sel *store.Selection) { sel.From = sel.To.Add(-30 * 24 * time.Hour) }, "longer than 192h"},
		{"no times", func(sel *store.Selection) { sel.Range = store.Range{To: time.Unix(1, 0)} }, "not within 1970"},
		{"many pods", func(sel *store.Selection) { sel.Pods = make([]string, store.MaxSelected+1) }, "at most 1000"},
	} {
		t.Run(test.name, func(t *testing.T) {
			sel := good
			test.change(&sel)
			_, err := s.Sums(t.Context(), sel)
			wantClass(t, "sums", err, store.BadSelection, test.want)
			_, err = s.Coverage(t.Context(), sel)
			wantClass(t, "coverage", err, store.BadSelection, test.want)
			_, _, err = s.Timeline(t.Context(), sel, sel.From, time.Minute)
			wantClass(t, "timeline", err, store.BadSelection, test.want)
		})
	}
	_, _, err := s.Timeline(t.Context(), good, good.From, 0)
	wantClass(t, "no step", err, store.BadSelection, "step 0s")
	_, _, err = s.Timeline(t.Context(), good, good.From, time.Second)
	wantClass(t, "small step", err, store.BadSelection, "more than 2000 steps")
	_, _, _, err = s.Services(t.Context(), store.ServiceFilter{})
	wantClass(t, "services", err, store.BadSelection, "empty or reversed")
}

func TestWindowsThatDoNotFit(t *testing.T) {
	s := storetest.Open(t)
	for _, test := range []struct {
		name   string
		change func(*profile.Window)
		want   string
	}{
		{"before 1970", func(w *profile.Window) { w.Start = time.Unix(-10, 0) }, "cannot hold"},
		{"reversed", func(w *profile.Window) { w.Start, w.End = w.End, w.Start }, "not within 1s"},
		{"days", func(w *profile.Window) { w.End = w.End.Add(48 * time.Hour) }, "not within 1s"},
		{"fractions", func(w *profile.Window) { w.Start = w.Start.Add(time.Millisecond) }, "whole seconds"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newMaker("cart", 0).window(today())
			test.change(w)
			_, err := s.Insert(t.Context(), w)
			wantClass(t, "insert", err, store.Refused, test.want)
		})
	}
}

func TestSumsKeepTheHeaviestWithinLimits(t *testing.T) {
	w := newMaker("cart", 0).window(today())
	all := merged(profile.CPU, w)
	for name, change := range map[string]func(*store.Config){
		"stacks": func(c *store.Config) { c.Limits.Stacks = 10 },
		"cache":  func(c *store.Config) { c.Limits.CacheBytes = 6_000 },
	} {
		t.Run(name, func(t *testing.T) {
			s := storetest.Open(t, change)
			insert(t, s, w)
			for range 2 {
				sums, err := s.Sums(t.Context(), selection("cart", profile.CPU, today(), time.Hour))
				if err != nil {
					t.Fatal(err)
				}
				set, side := stacksOf(sums.Tree, 0, profile.CPU), sums.Sides[0]
				kept := len(set.Stacks)
				if side.Total != all.Total() || int64(kept)+side.OmittedStacks != int64(len(all.Stacks)) || set.Total().Add(side.Omitted) != side.Total {
					t.Errorf("%d kept of %d; %+v, kept %+v", kept, len(all.Stacks), side, set.Total())
				}
				if cut := cutOf(set); side.Cut != cut {
					t.Errorf("%+v is told to be cut, %+v is", side.Cut, cut)
				}
				if kept == len(all.Stacks) || kept == 0 {
					t.Errorf("%d of %d stacks are kept", kept, len(all.Stacks))
				}
				if name == "stacks" && !heaviest(set, all) {
					t.Error("a stack is kept, and a heavier one is not")
				}
			}
		})
	}
}

// cutOf is what is in stacks with frames that had no room.
func cutOf(set profile.StackSet) (cut profile.Amount) {
	for _, stack := range set.Stacks {
		if slices.ContainsFunc(stack.Frames, func(f uint32) bool { return set.Functions[f].Name == calltree.OmittedFrames }) {
			cut = cut.Add(profile.Amount{Value: stack.Value, Count: stack.Count})
		}
	}
	return cut
}

// heaviest reports whether no stack of all is heavier than one of set, but for
// those in it.
func heaviest(set, all profile.StackSet) bool {
	byValue := func(a, b profile.Stack) int { return cmp.Compare(b.Value, a.Value) }
	slices.SortFunc(set.Stacks, byValue)
	slices.SortFunc(all.Stacks, byValue)
	for i := range set.Stacks {
		if set.Stacks[i].Value != all.Stacks[i].Value {
			return false
		}
	}
	return true
}

func TestSelectionsSideBySide(t *testing.T) {
	s := storetest.Open(t)
	m := newMaker("cart", 0)
	first, second := m.window(today()), m.window(today().Add(time.Minute))
	insert(t, s, first)
	insert(t, s, second)
	one := selection("cart", profile.CPU, today(), time.Minute)
	other := selection("cart", profile.CPU, today().Add(time.Minute), time.Minute)
	sums, err := s.Sums(t.Context(), one, other)
	if err != nil {
		t.Fatal(err)
	}
	for side, w := range []*profile.Window{first, second} {
		diff(t, "side", merged(profile.CPU, w), stacksOf(sums.Tree, side, profile.CPU))
		if sums.Sides[side].Total != w.Set(profile.CPU).Total() {
			t.Errorf("side %d has %+v", side, sums.Sides[side])
		}
	}
	other.Service = "basket"
	_, err = s.Sums(t.Context(), one, other)
	wantClass(t, "two services", err, store.BadSelection, "different stacks")
}

func TestStacksThatExpiredAreOmittedAndNamesUnknown(t *testing.T) {
	s := storetest.Open(t)
	insert(t, s, newMaker("cart", 0).window(today()))
	sel := selection("cart", profile.CPU, today(), time.Hour)
	if err := s.Conn().Exec(t.Context(), s.SQL("TRUNCATE TABLE @.functions")); err != nil {
		t.Fatal(err)
	}
	sums, err := s.Sums(t.Context(), sel)
	if err != nil || sums.Tree.Size() == 0 || stacksOf(sums.Tree, 0, profile.CPU).Functions[0].Name != "[unknown]" {
		t.Fatalf("sums %+v, %v", sums, err)
	}
	s.ForgetStacks()
	if err := s.Conn().Exec(t.Context(), s.SQL("TRUNCATE TABLE @.stacks")); err != nil {
		t.Fatal(err)
	}
	sums, err = s.Sums(t.Context(), sel)
	if side := sums.Sides[0]; err != nil || sums.Tree.Size() != 0 || side.Omitted != side.Total || side.OmittedStacks == 0 {
		t.Errorf("sums without stacks %+v, %v", sums, err)
	}
}

// Sums are exact up to 2^63 - 2. What passes that is refused, wherever it is
// summed, and never negative.
func TestSumsThatPass64Bits(t *testing.T) {
	s := storetest.Open(t)
	huge := func(pod int, value int64) *profile.Window {
		m := newMaker("cart", pod)
		m.types = []profile.Type{profile.CPU}
		w := m.window(today())
		set := profile.StackSet{Type: profile.CPU, Functions: w.Sets[0].Functions, Stacks: w.Sets[0].Stacks[:1]}
		set.Stacks[0].Value = value
		w.Sets[0] = set
		w.Coverage[0] = profile.Coverage{Type: profile.CPU, Captured: set.Total(), Stored: set.Total()}
		return w
	}
	insert(t, s, huge(0, 1<<62))
	insert(t, s, huge(1, 1<<62-2))
	sel := selection("cart", profile.CPU, today(), time.Hour)
	sums, err := s.Sums(t.Context(), sel)
	if err != nil || sums.Sides[0].Total.Value != math.MaxInt64-1 || sums.Sides[0].Coverage.Ledger.Stored.Value != math.MaxInt64-1 {
		t.Fatalf("just below 2^63: %+v, %v", sums, err)
	}
	insert(t, s, huge(2, 1))
	for what, read := range map[string]func() error{
		"stacks":   func() error { _, err := s.Sums(t.Context(), sel); return err },
		"coverage": func() error { _, err := s.Coverage(t.Context(), sel); return err },
		"timeline": func() error { _, _, err := s.Timeline(t.Context(), sel, sel.From, time.Hour); return err },
	} {
		wantClass(t, what, read(), store.SumTooLarge, "narrow the time range")
	}
	sel.Pods = []string{"cart-0"}
	if sums, err := s.Sums(t.Context(), sel); err != nil || sums.Sides[0].Total.Value != 1<<62 {
		t.Errorf("one pod: %+v, %v", sums, err)
	}

	// Steps may fit where their sum does not.
	later := huge(3, math.MaxInt64-1)
	later.Start, later.End = later.Start.Add(2*time.Hour), later.End.Add(2*time.Hour)
	insert(t, s, later)
	sel = selection("cart", profile.CPU, today(), 3*time.Hour)
	sel.Pods = []string{"cart-0", "cart-3"}
	_, _, err = s.Timeline(t.Context(), sel, sel.From, time.Hour)
	wantClass(t, "sum of steps", err, store.SumTooLarge, "narrow the time range")
}

// Windows of one service whose sums pass 64 bits leave its figures out of the lists,
// which say so, and change nothing of other services: of fresh windows, and of hours
// that are summed up.
func TestHugeValuesOfOneServiceKeepNoOtherOutOfTheLists(t *testing.T) {
	s := storetest.Open(t, noSkew, patient)
	honest := newMaker("honest", 0)
	alone, huge := honest.window(today()), []*profile.Window(nil)
	insert(t, s, alone)
	span := store.Range{From: today(), To: today().Add(time.Hour)}
	want := lists(t, s, span, 10*time.Minute)
	for pod := range 3 {
		m := newMaker("huge", pod)
		m.target.Namespace = "other" // first by name, and last
		m.types = []profile.Type{profile.CPU, profile.Lock}
		w := m.window(today().Add(time.Duration(pod) * time.Minute))
		w.Losses = []profile.Loss{{Outcome: profile.Dropped, Reason: profile.SidecarRestarted, Duration: math.MaxInt64 / 2, Bytes: math.MaxInt64 / 2}}
		set := &w.Sets[0]
		set.Stacks = set.Stacks[:1]
		set.Stacks[0].Value, set.Stacks[0].Count = math.MaxInt64/2, 5
		w.Coverage[0] = profile.Coverage{Type: profile.CPU, Captured: set.Total(), Stored: set.Total()}
		huge = append(huge, w)
		insert(t, s, w)
	}
	locks := merged(profile.Lock, huge...)
	check := func(when string) {
		t.Helper()
		got := lists(t, s, span, 10*time.Minute)
		if len(got.Services) != 2 || len(got.Overview.Services) != 2 {
			t.Fatalf("%s: the services are %+v and %+v, want two", when, got.Services, got.Overview.Services)
		}
		for _, list := range [][]store.Service{got.Services, got.Overview.Services} {
			if types := list[0].Types; types[0] != (store.TypeTotal{Type: profile.CPU, Stored: profile.Amount{Count: 15}, TooLarge: true}) || types[1].TooLarge || types[1].Stored != locks.Total() {
				t.Errorf("%s: the totals are %+v, want samples of no known value, and those of locks", when, types)
			}
		}
		of := got.Overview.Activity[got.Services[0].ServiceKey]
		if !of.TooLarge || of.Windows.Stored != 3 || of.Types[profile.CPU].Unvalued != 15 || of.Types[profile.Lock].Unvalued != 0 {
			t.Errorf("%s: the activity is %+v, cpu %+v", when, of, of.Types[profile.CPU])
		}
		for i, step := range of.Types[profile.CPU].Steps {
			if step.Value != 0 || !step.Unvalued {
				t.Errorf("%s: step %d is %+v", when, i, step)
			}
		}
		if lost := lossOf(of.Unclaimed, profile.SidecarRestarted); lost.Duration != math.MaxInt64 || lost.Bytes != math.MaxInt64 {
			t.Errorf("%s: the loss is %+v, want the largest numbers", when, lost)
		}
		got.Services, got.Overview.Services = got.Services[1:], got.Overview.Services[1:]
		delete(got.Overview.Activity, store.ServiceKey{Cluster: "c1", Namespace: "other", Service: "huge"})
		if d := gocmp.Diff(want, got); d != "" {
			t.Errorf("%s: of the other service (-alone +beside it):\n%s", when, d)
		}
	}
	check("of headers")
	if n, err := s.SumActivity(t.Context()); n == 0 || err != nil {
		t.Fatalf("activity of %d hours summed up, %v", n, err)
	}
	check("of what is summed up")
}

// A namespace that names as many services and targets as it can leaves room in lists for
// those of the others, and the lists say that they are cut.
func TestOneNamespaceLeavesRoomInLists(t *testing.T) {
	const limit, noisy = 4, 6
	for _, types := range []int{1, len(profile.Types())} {
		s := storetest.Open(t, patient, func(c *store.Config) { c.Limits.Services, c.Limits.Targets = limit, limit })
		quiet := newMaker("quiet", 0)
		makers := []*maker{quiet} // which reports first, and is last by its name
		for i := range noisy {
			m := newMaker(fmt.Sprint("noisy-", i), i)
			m.target.Namespace = "a"
			makers = append(makers, m)
		}
		for _, m := range makers {
			m.types = m.types[:types]
			insert(t, s, m.window(today()))
			if err := s.PutTargets(t.Context(), []store.TargetStatus{{Target: m.target, State: "owned"}}); err != nil {
				t.Fatal(err)
			}
		}
		span := store.Range{From: today(), To: today().Add(time.Hour)}
		for _, test := range []struct {
			namespaces []string
			shown      int
			quiet      bool
		}{{nil, limit, true}, {[]string{"a", "shop"}, limit, true}, {[]string{"a"}, limit, false}, {[]string{"shop"}, 1, true}} {
			truncated := test.shown == limit
			list, cut, _, err := s.Services(t.Context(), store.ServiceFilter{Range: span, Namespaces: test.namespaces})
			if err != nil || len(list) != test.shown || cut != truncated || test.quiet != (list[len(list)-1].Service == "quiet") || len(list[len(list)-1].Types) != types {
				t.Errorf("services in %q: %+v, truncated %t, %v", test.namespaces, list, cut, err)
			}
			all, err := s.Overview(t.Context(), store.ServiceFilter{Range: span, Namespaces: test.namespaces}, span.From, time.Hour)
			if err != nil || len(all.Services) != test.shown || len(all.Activity) != test.shown || all.Truncated != truncated || all.Activity[all.Services[test.shown-1].ServiceKey].Windows.Stored != 1 {
				t.Errorf("overview of %q: %+v, %v", test.namespaces, all, err)
			}
			targets, cut, _, err := s.Targets(t.Context(), store.TargetFilter{Namespaces: test.namespaces})
			if err != nil || len(targets) != test.shown || cut != truncated || test.quiet != (targets[len(targets)-1].Service == "quiet") {
				t.Errorf("targets in %q: %+v, truncated %t, %v", test.namespaces, targets, cut, err)
			}
		}
	}
}

// More targets than are counted make the answer say so.
func TestUncountedTargetsAreTold(t *testing.T) {
	for _, limit := range []int{4, 3} {
		s := storetest.Open(t, func(c *store.Config) { c.Limits.Counted = limit })
		for pod := range 4 {
			insert(t, s, newMaker("cart", pod).window(today()))
		}
		sel := selection("cart", profile.CPU, today(), time.Hour)
		c, err := s.Coverage(t.Context(), sel)
		if err != nil || c.Uncounted != (limit < 4) || c.Windows.Stored != 4 {
			t.Errorf("limit of %d: %+v, %v", limit, c, err)
		}
		all, err := s.Overview(t.Context(), store.ServiceFilter{Range: sel.Range}, sel.From, time.Hour)
		if err != nil || all.Uncounted != (limit < 4) {
			t.Errorf("limit of %d: %+v, %v", limit, all, err)
		}
	}
}

// Reports beyond those that are counted make the list of services say so, as one of
// them may be that of a target that sent windows.
func TestUncountedReportsAreTold(t *testing.T) {
	for _, limit := range []int{4, 3} {
		s := storetest.Open(t, func(c *store.Config) { c.Limits.Counted = limit })
		insert(t, s, newMaker("cart", 0).window(today()))
		for pod := range 4 {
			status := store.TargetStatus{Target: newMaker("cart", pod).target, State: "owned"}
			if err := s.PutTargets(t.Context(), []store.TargetStatus{status}); err != nil {
				t.Fatal(err)
			}
		}
		span := store.Range{From: today(), To: today().Add(time.Hour)}
		all, err := s.Overview(t.Context(), store.ServiceFilter{Range: span}, span.From, time.Hour)
		if err != nil || all.Uncounted != (limit < 4) || len(all.Services) != 1 || all.Services[0].Targets != 1 {
			t.Errorf("limit of %d: %+v, %v", limit, all, err)
		}
	}
}
