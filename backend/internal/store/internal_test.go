package store

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/podflame/podflame/backend/profile"
)

// The edges and the hours together are the range, and nothing is read twice.
func TestEdgesAndHoursAreTheRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.Int64Range(0, 10*3600).Draw(t, "from")
		to := from + rapid.Int64Range(1, 20*3600).Draw(t, "length")
		var hours []int64
		for hour := (from + 3599) / 3600 * 3600; hour+3600 <= to; hour += 3600 {
			if rapid.Bool().Draw(t, "rolled") {
				hours = append(hours, hour)
			}
		}
		spans := without(seconds{from, to}, hours)
		for _, hour := range hours {
			spans = append(spans, seconds{hour, hour + 3600})
		}
		slices.SortFunc(spans, func(a, b seconds) int { return int(a.from - b.from) })
		at := from
		for _, span := range spans {
			if span.from != at || span.to <= span.from {
				t.Fatalf("span %+v after %d", span, at)
			}
			at = span.to
		}
		if at != to {
			t.Fatalf("ends at %d, not %d", at, to)
		}
	})
}

func TestWrittenIDsAreBoundedAndNeverInvented(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(2, 50).Draw(t, "limit")
		w := newWrittenIDs(limit)
		added := map[[2]uint64]bool{}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			service := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "service")
			id := rapid.Uint64Range(0, 60).Draw(t, "id")
			key := w.scope(time.Unix(0, 0), service)
			if rapid.Bool().Draw(t, "add") {
				w.add(key, []uint64{id})
				added[[2]uint64{key, id}] = true
				if len(w.missing(key, []uint64{id})) != 0 {
					t.Fatal("an id that was just written is missing")
				}
			} else if len(w.missing(key, []uint64{id})) == 0 && !added[[2]uint64{key, id}] {
				t.Fatalf("id %d was never written", id)
			}
			if n := w.young.used + w.old.used; n > limit {
				t.Fatalf("%d ids are remembered, at most %d may be", n, limit)
			}
		}
	})
}

func TestKeysAreASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var set keys
		added := map[uint64]bool{}
		near := rapid.Uint64().Draw(t, "near") // keys of one place, whatever the size, as well as others
		for _, off := range rapid.SliceOfN(rapid.Uint64Range(0, 5_000), 0, 2_000).Draw(t, "keys") {
			key := near + off
			set.add(key)
			added[key] = key != 0
		}
		for off := range uint64(5_000) {
			if set.has(near+off) != added[near+off] {
				t.Fatalf("%x is in the set: %v, was added: %v", near+off, set.has(near+off), added[near+off])
			}
		}
		delete(added, 0)
		if set.used != len(added) {
			t.Fatalf("%d of %d keys are counted", set.used, len(added))
		}
	})
}

// A disk that is too full for windows is told by readiness before one is refused.
func TestFullDiskIsNotReady(t *testing.T) {
	s := &Store{}
	for free, want := range map[uint64]bool{keepFree - 1: true, keepFree: false} {
		s.room.set(Room{Free: free, Total: 10 * keepFree})
		latest := s.room.get()
		if err := s.writable(&latest); (err != nil) != want {
			t.Errorf("%d bytes free: %v", free, err)
		}
	}
	s.room.set(Room{Free: 0, Total: 10 * keepFree})
	if err := s.Ping(t.Context()); !IsRetryable(err) || !strings.Contains(err.Error(), "takes no windows") {
		t.Errorf("ready with a full disk: %v", err)
	}
}

func TestDays(t *testing.T) {
	at := func(text string) time.Time {
		parsed, err := time.Parse(time.DateTime, text)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	for _, test := range []struct {
		from, to string
		want     int
	}{
		{"2026-01-01 00:00:00", "2026-01-02 00:00:00", 1},
		{"2026-01-01 23:59:59", "2026-01-02 00:00:01", 2},
		{"2026-01-01 12:00:00", "2026-01-08 12:00:00", 8},
	} {
		list := days([]Selection{{Range: Range{at(test.from), at(test.to)}}})
		if len(list) != test.want || !list[len(list)-1].Equal(at(test.from).Truncate(24*time.Hour)) {
			t.Errorf("days from %s to %s = %v, want %d", test.from, test.to, list, test.want)
		}
	}
}

func TestDirtyQuarters(t *testing.T) {
	const day = 4 * sixHours
	hour := func(at int64) dirtySpan { return dirtySpan{at, seconds{at, at + oneHour}} }
	next := known{at: 1, since: 0, upto: day + oneHour, longest: sixHours}
	for name, test := range map[string]struct {
		before  known
		failing []int64
		dirty   []dirtySpan
		want    []int64
	}{
		"an empty store":                       {},
		"the first headers":                    {dirty: []dirtySpan{hour(day), hour(sixHours + oneHour)}, want: []int64{sixHours}},
		"a part was known":                     {before: known{at: 1, since: sixHours + oneHour, upto: day, longest: sixHours}, want: []int64{sixHours}},
		"known by a backend that makes none":   {before: known{at: 1, since: sixHours, upto: day, longest: oneHour}, want: []int64{sixHours, 2 * sixHours, 3 * sixHours}},
		"two hours of one, and one that fails": {before: known{at: 1, upto: day, longest: sixHours}, failing: []int64{0}, dirty: []dirtySpan{hour(oneHour), hour(2 * sixHours), hour(2*sixHours + oneHour)}, want: []int64{2 * sixHours}},
	} {
		next.failing = test.failing
		if got := dirtyQuarters(test.before, next, test.dirty); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestEachNumber(t *testing.T) {
	two := []byte{2, 1, 0, 0, 0, 0, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 'x'}
	var got []int64
	rest, err := eachNumber(two, func(i int, n int64) { got = append(got, int64(i), n) })
	if err != nil || string(rest) != "x" || !slices.Equal(got, []int64{0, 1, 1, -2}) {
		t.Errorf("%v and %q, %v", got, rest, err)
	}
	for _, text := range [][]byte{nil, two[:16], {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}} {
		if _, err := eachNumber(text, func(int, int64) {}); err == nil {
			t.Errorf("%v is taken for an array", text)
		}
	}
}

func TestFieldsAreFoundByTheNamesOfColumns(t *testing.T) {
	var row serviceOfType
	fields, err := fieldsOf(&row, []string{"type", "ns"})
	if err != nil || fields[0] != any(&row.Type) || fields[1] != any(&row.RecordedNs) {
		t.Errorf("%v, %v", fields, err)
	}
	if _, err := fieldsOf(&row, []string{"other"}); err == nil {
		t.Error("a column without a field is not told")
	}
}

// Each window has a stall of the profiler of some ms. In a cell of the last week, or of many
// pods, they add up to seconds, and nothing is missing from it all the same.
func TestStallsOfManyWindowsAreNoLoss(t *testing.T) {
	of := func(windows int64, reason profile.Reason, each time.Duration) *Account {
		return &Account{
			Windows: WindowCount{Expected: windows, Stored: windows}, Time: Time{Lived: time.Duration(windows) * time.Minute},
			Losses: []profile.Loss{{Outcome: profile.Dropped, Reason: reason, Duration: time.Duration(windows) * each}},
		}
	}
	for name, one := range map[string]struct {
		account *Account
		want    CellStatus
	}{
		"one window":                   {of(1, profile.ProfilerStall, 20*time.Millisecond), CellOK},
		"28 windows of 10 pods":        {of(280, profile.ProfilerStall, 20*time.Millisecond), CellOK},
		"one that stalled for seconds": {of(1, profile.ProfilerStall, 2*time.Second), CellPartial},
		"all stalled for seconds":      {of(280, profile.ProfilerStall, 2*time.Second), CellPartial},
		"another reason":               {of(280, profile.SidecarRestarted, 20*time.Millisecond), CellPartial},
	} {
		if got := statusOf(one.account); got != one.want {
			t.Errorf("%s: %s, want %s", name, got, one.want)
		}
	}
}

// What a window that is under way covers, by the last report of its target.
func TestWindowsUnderWay(t *testing.T) {
	const now = 6_000_000 // a whole minute
	for name, one := range map[string]struct {
		life life
		want seconds
	}{
		"just begun":           {life{until: now}, seconds{now, now + 1}},
		"reported in it":       {life{until: now - 5}, seconds{now - 60, now + 1}},
		"the one before is on": {life{until: now - 65}, seconds{now - 120, now - 5}},
		"silent for long":      {life{until: now - 200}, seconds{}},
		"gone":                 {life{until: now - 5, gone: true}, seconds{}},
		"has never reported":   {life{}, seconds{}},
	} {
		one.life.first, one.life.last, one.life.length, one.life.now = now-600, now-300, 60, now
		if got := one.life.underway(); got != one.want {
			t.Errorf("%s: %+v, want %+v", name, got, one.want)
		}
	}
}
