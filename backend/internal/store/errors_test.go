package store_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

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
			_, _, err = s.Timeline(t.Context(), sel, time.Minute)
			wantClass(t, "timeline", err, store.BadSelection, test.want)
		})
	}
	_, _, err := s.Timeline(t.Context(), good, 0)
	wantClass(t, "no step", err, store.BadSelection, "step 0s")
	_, _, err = s.Timeline(t.Context(), good, time.Second)
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
		"frames": func(c *store.Config) { c.Limits.Frames = 100 },
		"cache":  func(c *store.Config) { c.Limits.CacheBytes = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			s := storetest.Open(t, change)
			insert(t, s, w)
			for range 2 {
				sums, err := s.StackSet(t.Context(), selection("cart", profile.CPU, today(), time.Hour))
				if err != nil {
					t.Fatal(err)
				}
				kept := len(sums.Set.Stacks)
				if sums.Total != all.Total() || int64(kept)+sums.OmittedStacks != int64(len(all.Stacks)) || sums.Set.Total().Add(sums.Omitted) != sums.Total {
					t.Errorf("%d kept, %d omitted of %d; total %+v, omitted %+v", kept, sums.OmittedStacks, len(all.Stacks), sums.Total, sums.Omitted)
				}
				if name != "cache" && (kept == len(all.Stacks) || kept == 0) {
					t.Errorf("%d of %d stacks are kept", kept, len(all.Stacks))
				}
				for i := range kept - 1 {
					if sums.Set.Stacks[i].Value < sums.Set.Stacks[i+1].Value {
						t.Error("not in order of value")
					}
				}
			}
		})
	}
}

func TestStacksThatExpiredAreOmittedAndNamesUnknown(t *testing.T) {
	s := storetest.Open(t, func(c *store.Config) { c.Limits.CacheBytes = 1 })
	insert(t, s, newMaker("cart", 0).window(today()))
	sel := selection("cart", profile.CPU, today(), time.Hour)
	if err := s.Conn().Exec(t.Context(), s.SQL("TRUNCATE TABLE @.functions")); err != nil {
		t.Fatal(err)
	}
	sums, err := s.Sums(t.Context(), sel)
	if err != nil || len(sums.Set.Stacks) == 0 || sums.Set.Functions[0].Name != "" {
		t.Fatalf("sums %+v, %v", sums, err)
	}
	if err := s.Name(t.Context(), sums, []uint32{0}); err != nil || sums.Set.Functions[0].Name != "[unknown]" {
		t.Errorf("function %+v, %v", sums.Set.Functions[0], err)
	}
	if err := s.Conn().Exec(t.Context(), s.SQL("TRUNCATE TABLE @.stacks")); err != nil {
		t.Fatal(err)
	}
	sums, err = s.Sums(t.Context(), sel)
	if err != nil || len(sums.Set.Stacks) != 0 || sums.Omitted != sums.Total || sums.OmittedStacks == 0 {
		t.Errorf("sums without stacks %+v, %v", sums, err)
	}
}
