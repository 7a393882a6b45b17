package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/storetest"
	"github.com/podflame/podflame/backend/profile"
)

// Where there is no room the samples of the oldest day go, and nothing else: the
// ledgers say what there was, and no number of another day changes.
func TestOldestDayIsGivenUpForRoom(t *testing.T) {
	s := storetest.Open(t, noSkew)
	yesterday := today()
	before := yesterday.Add(-24 * time.Hour)
	old, kept := newMaker("cart", 0).window(before), newMaker("cart", 1).window(yesterday)
	insert(t, s, old)
	insert(t, s, kept)
	rollUp(t, s, yesterday, 2)
	of := func(from time.Time, length time.Duration) *store.Sums {
		t.Helper()
		sums, err := s.Sums(t.Context(), selection("cart", profile.CPU, from, length))
		if err != nil {
			t.Fatal(err)
		}
		return sums
	}
	whole := of(before.Truncate(time.Hour), 25*time.Hour).Sides[0].Coverage.Ledger

	if gone, err := s.MakeRoom(t.Context(), yesterday); gone != (store.GivenUpDay{}) || err != nil {
		t.Fatalf("%+v was given up though there is room (%v)", gone, err)
	}
	// There is so little room that ClickHouse takes no windows.
	const nothing = "ALTER TABLE @.samples MODIFY SETTING min_free_disk_bytes_to_perform_insert = %d"
	exec(t, s, fmt.Sprintf(nothing, int64(1)<<60))
	_, err := s.Insert(t.Context(), newMaker("cart", 2).window(yesterday))
	if e, ok := errors.AsType[*store.Error](err); !ok || e.Class != store.Unavailable || !strings.Contains(e.Hint, "disk") {
		t.Errorf("an insert without room: %v, want that the disk is full", err)
	}
	s.Limit(1)
	gone, err := s.MakeRoom(t.Context(), yesterday)
	if err != nil || !gone.Day.Equal(before.Truncate(24*time.Hour)) || gone.Bytes == 0 || gone.Why != store.OverLimit {
		t.Fatalf("%+v was given up (%v), want the day before", gone, err)
	}
	if gone, err := s.MakeRoom(t.Context(), yesterday); err == nil || !strings.Contains(err.Error(), "no day is old enough") {
		t.Errorf("%+v was given up (%v), though the last day has not been over for long", gone, err)
	}
	exec(t, s, fmt.Sprintf(nothing, 0))

	sums := of(before.Truncate(time.Hour), 25*time.Hour)
	diff(t, "what is kept", merged(profile.CPU, kept), stacksOf(sums.Tree, 0, profile.CPU))
	side := sums.Sides[0]
	lost := merged(profile.CPU, old)
	told := lossOf(side.Coverage.Ledger.Losses, profile.StoreFull)
	amount := profile.Amount{Value: told.Value, Count: told.Count}
	if amount != lost.Total() || told.Outcome != profile.Dropped {
		t.Errorf("%+v is told as given up, want %+v", told, lost.Total())
	}
	if got := side.Coverage.Ledger; got.Captured != whole.Captured || got.Stored.Add(amount) != whole.Stored || side.Excess != (profile.Amount{}) {
		t.Errorf("the ledger is %+v, was %+v; excess %+v", got, whole, side.Excess)
	}
	if windows := side.Coverage.Windows; windows.Stored != 2 {
		t.Errorf("windows are %+v, want both", windows)
	}
	if n, err := s.RollupDue(t.Context(), yesterday.Add(24*time.Hour)); n != 0 || err != nil {
		t.Errorf("%d hours are rolled up again (%v), though they hold nothing", n, err)
	}
	if r := insert(t, s, old); !r.Duplicate {
		t.Errorf("the window that was given up, again: %+v, want a duplicate", r)
	}
	room := s.Health(t.Context()).Room
	if len(room.GivenUp) != 1 || !room.GivenUp[0].Day.Equal(gone.Day) || room.GivenUp[0].Bytes != gone.Bytes || room.Used == 0 {
		t.Errorf("health says %+v", room)
	}

	if gone, err = s.MakeRoom(t.Context(), yesterday.Add(48*time.Hour)); err != nil || !gone.Day.Equal(yesterday.Truncate(24*time.Hour)) {
		t.Errorf("later %+v was given up (%v), want the next day", gone, err)
	}
	if rows := count(t, s, "samples"); rows != 0 {
		t.Errorf("%d samples are left", rows)
	}
	if got := of(before.Truncate(time.Hour), 25*time.Hour).Sides[0].Coverage.Ledger; got.Captured != whole.Captured || got.Stored != (profile.Amount{}) {
		t.Errorf("the ledger is %+v in the end, was %+v", got, whole)
	}
}

// Where the disk is low one day goes at a time, however many backends look: the files
// of the last one may still be there.
func TestLowDiskGivesUpOneDayAtATime(t *testing.T) {
	var cfg store.Config
	s := storetest.Open(t, func(c *store.Config) {
		c.LowDisk = 1 << 62 // more than there is
		cfg = *c
	})
	other, err := store.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	days := []time.Time{today().Add(-48 * time.Hour), today().Add(-24 * time.Hour)}
	for _, day := range days {
		insert(t, s, newMaker("cart", 0).window(day))
	}
	now := time.Now()
	for _, step := range []struct {
		what string
		s    *store.Store
		at   time.Time
		day  int // -1 for none
	}{
		{"at first", s, now, 0},
		{"again", s, now, -1},
		{"another backend", other, now, -1},
		{"another backend, later", other, now.Add(10 * time.Minute), 1},
	} {
		gone, err := step.s.MakeRoom(t.Context(), step.at)
		switch {
		case err != nil:
			t.Fatalf("%s: %v", step.what, err)
		case step.day < 0 && gone != (store.GivenUpDay{}):
			t.Errorf("%s: %+v was given up, want none", step.what, gone)
		case step.day >= 0 && (!gone.Day.Equal(days[step.day].Truncate(24*time.Hour)) || gone.Why != store.LowDisk):
			t.Errorf("%s: %+v was given up, want %s", step.what, gone, days[step.day].Format(time.DateOnly))
		}
	}
}

// The bytes of days and services are all that is on disk, and a service that
// sends twice as much takes twice as much.
func TestStorageByDayAndService(t *testing.T) {
	s := storetest.Open(t)
	for service, pods := range map[string]int{"cart": 2, "login": 1} {
		for pod := range pods {
			m := newMaker(service, pod)
			insert(t, s, m.window(today()))
			insert(t, s, m.window(today().Add(-24*time.Hour)))
		}
	}
	got, err := s.Storage(t.Context())
	if err != nil || len(got.Days) != 2 || len(got.Services) != 2 || got.Truncated {
		t.Fatalf("%+v, %v", got, err)
	}
	for i, d := range got.Days {
		if !d.Day.Equal(today().Truncate(24*time.Hour).AddDate(0, 0, i-1)) || d.Rows == 0 {
			t.Errorf("day %d is %+v", i, d)
		}
		cart, login := got.Services[0].Days[i], got.Services[1].Days[i]
		if sum := cart + login; sum < d.Bytes-1 || sum > d.Bytes+1 {
			t.Errorf("services take %d of the %d bytes of day %d", sum, d.Bytes, i)
		}
		if ratio := float64(cart) / float64(login); ratio < 1.9 || ratio > 2.1 {
			t.Errorf("cart takes %.2f times what login does", ratio)
		}
	}
	if first := got.Services[0]; first.Service != "cart" || first.Bytes != first.Days[0]+first.Days[1] {
		t.Errorf("the largest is %+v", first)
	}
}

func lossOf(losses []profile.Loss, r profile.Reason) profile.Loss {
	for _, l := range losses {
		if l.Reason == r {
			return l
		}
	}
	return profile.Loss{}
}

// Readiness and health say that windows cannot be stored: while inserts fail, and
// not because of one that did or of what was wrong with a window.
func TestFailingInsertsAreToldInHealth(t *testing.T) {
	down := &store.Error{Class: store.Unavailable, Op: "store window", Err: errors.New("table is in readonly mode")}
	for _, test := range []struct {
		name string
		errs []error // one each 10 s, until now
		want bool
	}{
		{"nothing was tried", nil, false},
		{"one failed", []error{down}, false},
		{"two failed", []error{down, down}, false},
		{"three failed", []error{down, down, down}, true},
		{"one succeeded", []error{down, down, nil, down}, false},
		{"the fault of windows", []error{&store.Error{Class: store.Refused}, &store.Error{Class: store.Busy}, &store.Error{Class: store.Refused}}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var now time.Time
			var list store.Writes
			for _, err := range test.errs {
				now = now.Add(10 * time.Second)
				list.Note(err, now)
			}
			if err := list.Failing(now); (err != nil) != test.want {
				t.Errorf("failing: %v", err)
			}
			if err := list.Failing(now.Add(time.Minute)); err != nil {
				t.Errorf("failing although nobody has tried for a minute: %v", err)
			}
		})
	}
	s := storetest.Open(t)
	for i := range 360 { // an hour ahead, as the machine may be busy
		s.NoteWrite(down, time.Now().Add(time.Duration(i)*10*time.Second))
	}
	if err := s.Ping(t.Context()); err == nil {
		t.Error("ready while inserts fail")
	}
	if h := s.Health(t.Context()); h.WriteError != down.Error() {
		t.Errorf("health says %q, want %q", h.WriteError, down)
	}
	s.NoteWrite(nil, time.Now())
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("not ready although an insert succeeded: %v", err)
	}
}
