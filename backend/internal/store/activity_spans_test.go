package store_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/storetest"
	"github.com/podflame/podflame/backend/profile"
)

// fleetLives is how long a random fleet lives: it has a whole span of 6 hours.
const fleetLives = 12 * time.Hour

// randomFleet are windows of some services over that time: whole, without
// samples, of two sessions, of two lengths, cut late or early, and missing ones.
func randomFleet(random *rand.Rand, from time.Time) (windows []*profile.Window) {
	for i, service := range []string{"cart", "cart", "login", "search"} {
		m := newMaker(service, i)
		m.stacks, m.length = 2, time.Duration(17+22*(i%2))*time.Minute
		m.types = profile.Types()[:1+i%len(profile.Types())]
		m.target.Namespace = []string{"shop", "bank"}[i/3]
		for at := from.Add(time.Duration(random.IntN(90)) * time.Minute); at.Before(from.Add(fleetLives)); at = at.Add(m.length) {
			m.target.Version = fmt.Sprintf("v%d", random.IntN(3))
			switch random.IntN(10) {
			case 0: // never comes
			case 1:
				windows = append(windows, m.withoutSamples(at, profile.SidecarRestarted))
			case 2:
				rest := m.window(at)
				rest.Session = "session-2"
				rest.ID = profile.NewWindowID(m.target.SeriesID(), rest.Session, at)
				windows = append(windows, m.window(at), rest)
			case 3:
				long := m.withoutSamples(at, profile.JVMStarting)
				long.End = at.Add(70 * time.Minute)
				windows = append(windows, long)
			case 4: // cut late
				windows = append(windows, m.lasting(at, 2*m.length))
				at = at.Add(m.length)
			case 5: // cut early
				windows = append(windows, m.lasting(at, m.length/4), m.lasting(at.Add(m.length/4), m.length-m.length/4))
			default:
				windows = append(windows, m.window(at))
			}
		}
	}
	return windows
}

// list is what a reader sees in a range, by steps.
type list struct {
	Services []store.Service
	Overview *store.Overview
}

func lists(t *testing.T, s *store.Store, span store.Range, step time.Duration) list {
	t.Helper()
	f := store.ServiceFilter{Range: span}
	services, truncated, _, err := s.Services(t.Context(), f)
	if err != nil || truncated {
		t.Fatal(truncated, err)
	}
	overview, err := s.Overview(t.Context(), f, span.From.Add(step-1).Truncate(step), step)
	if err != nil {
		t.Fatal(err)
	}
	overview.Cost = store.Cost{}
	return list{services, overview}
}

type question struct {
	store.Range
	step time.Duration
}

func (q question) String() string {
	return fmt.Sprintf("%s to %s by %s", q.From.Format(time.TimeOnly), q.To.Format(time.TimeOnly), q.step)
}

// Whatever is asked, and whatever came late or twice, lists out of summed up
// activity are those that the headers themselves give.
func TestActivityEqualsHeaders(t *testing.T) {
	s := storetest.Open(t, noSkew, patient)
	from, random := today(), rand.New(rand.NewPCG(7+*seed, 9))
	windows := randomFleet(random, from)
	random.Shuffle(len(windows), func(i, j int) { windows[i], windows[j] = windows[j], windows[i] })
	late := len(windows) / 8
	insertAll(t, s, windows[late:])

	questions := []question{{store.Range{From: from, To: from.Add(fleetLives)}, time.Hour}, {store.Range{From: from, To: from.Add(fleetLives)}, 6 * time.Hour}}
	for range 6 {
		begin := from.Add(time.Duration(random.Int64N(int64(fleetLives))).Truncate(time.Second))
		step := []time.Duration{7 * time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour}[random.IntN(6)]
		questions = append(questions, question{store.Range{From: begin, To: begin.Add(time.Duration(20+random.IntN(720)) * time.Minute)}, step})
	}
	compare := func(when string) {
		t.Helper()
		var got []list
		for _, q := range questions {
			got = append(got, lists(t, s, q.Range, q.step))
		}
		exec(t, s, "TRUNCATE TABLE @.activity_known") // now headers are read
		for i, q := range questions {
			if d := cmp.Diff(lists(t, s, q.Range, q.step), got[i], cmpopts.EquateEmpty()); d != "" {
				t.Errorf("%s: %s (-headers +activity):\n%.3000s", when, q, d)
			}
		}
	}
	sum := func() {
		t.Helper()
		if n, err := s.SumActivity(t.Context()); n == 0 || err != nil {
			t.Fatalf("activity of %d hours summed up, %v", n, err)
		}
	}
	sum()
	insertAll(t, s, windows[:late])
	insertAll(t, s, windows[late:late+5]) // again
	compare("with windows that came late")
	sum()
	exec(t, s, "OPTIMIZE TABLE @.service_activity FINAL")
	compare("summed up again")

	sum()
	quarter := store.Range{From: from.Truncate(6 * time.Hour).Add(6 * time.Hour), To: from.Truncate(6 * time.Hour).Add(12 * time.Hour)}
	want, wantQuarter := lists(t, s, questions[0].Range, time.Hour), lists(t, s, quarter, 6*time.Hour)
	exec(t, s, "TRUNCATE TABLE @.profiles")
	got := lists(t, s, questions[0].Range, time.Hour)
	want.Overview, got.Overview = nil, nil // looks at headers before the range too
	if d := cmp.Diff(want, got); d != "" || len(got.Services) != 3 {
		t.Errorf("whole hours are not read from activity alone (-with headers +without):\n%s", d)
	}
	for _, table := range []string{"service_activity", "target_activity"} {
		exec(t, s, "ALTER TABLE @."+table+" DELETE WHERE step_s < 21600 SETTINGS mutations_sync = 1")
	}
	got = lists(t, s, quarter, 6*time.Hour)
	wantQuarter.Overview, got.Overview = nil, nil
	if d := cmp.Diff(wantQuarter, got); d != "" || len(got.Services) != 3 {
		t.Errorf("6 hours are not read from their rows alone (-with the others +without):\n%s", d)
	}
}

func insertAll(t *testing.T, s *store.Store, windows []*profile.Window) {
	t.Helper()
	for chunk := range slices.Chunk(windows, 50) {
		_, errs := insertTogether(s, chunk)
		for _, err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// An hour whose headers cannot be summed up is read from them, and keeps no other
// one waiting.
func TestActivityPassesOverWhatFails(t *testing.T) {
	registry := prometheus.NewRegistry()
	s := storetest.Open(t, noSkew, patient, func(c *store.Config) { c.Registry = registry })
	from := today()
	m := newMaker("cart", 0)
	for hour := range 3 {
		insert(t, s, m.window(from.Add(time.Duration(hour)*time.Hour)))
	}
	exec(t, s, fmt.Sprintf("ALTER TABLE @.service_activity ADD CONSTRAINT whole CHECK toStartOfHour(start) != toDateTime(%d, 'UTC')", from.Add(time.Hour).Unix()))
	n, err := s.SumActivity(t.Context())
	if n < 2 || err == nil || !strings.Contains(err.Error(), "sum up the activity of "+from.Add(time.Hour).Format(time.DateTime)) {
		t.Fatalf("%d hours, %v, want the two others and an error about the second hour", n, err)
	}
	if n := gathered(t, registry, "podflame_store_activity_failures_total"); n != 1 {
		t.Errorf("%v failures, want 1", n)
	}
	span := store.Range{From: from, To: from.Add(3 * time.Hour)}
	got := lists(t, s, span, time.Hour)
	exec(t, s, "TRUNCATE TABLE @.activity_known")
	if d := cmp.Diff(lists(t, s, span, time.Hour), got); d != "" {
		t.Errorf("(-headers +activity):\n%s", d)
	}
}

// Backends of the version before write and sum up nothing; what they wrote is
// summed up as if it had been there from the start.
func TestActivityOfDataFromBefore(t *testing.T) {
	now := storetest.Open(t, noSkew, patient)
	m := newMaker("cart", 0)
	for hour := range 3 {
		insert(t, now, m.window(today().Add(time.Duration(hour)*time.Hour)))
	}
	old := openAt(t, 13)
	exec(t, old, "INSERT INTO @.profiles"+now.SQL(" SELECT * FROM @.profiles"))
	for range 2 { // again, as another backend does
		if err := old.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	span := store.Range{From: today(), To: today().Add(3 * time.Hour)}
	want := lists(t, now, span, time.Hour)
	if d := cmp.Diff(want, lists(t, old, span, time.Hour)); d != "" {
		t.Errorf("before it is summed up (-want +got):\n%s", d)
	}
	if n, err := old.SumActivity(t.Context()); n < 3 || err != nil {
		t.Fatalf("%d hours summed up, %v, want all three", n, err)
	}
	exec(t, old, "TRUNCATE TABLE @.profiles")
	got := lists(t, old, span, time.Hour)
	want.Overview, got.Overview = nil, nil
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("summed up (-want +got):\n%s", d)
	}
}

// A backend of the version before sums up no 6 hours: what it notes meanwhile makes
// theirs be summed up again, and they are not read until then.
func TestSixHoursBesideABackendThatMakesNone(t *testing.T) {
	s := storetest.Open(t, noSkew, patient)
	from := today().Truncate(6 * time.Hour).Add(6 * time.Hour)
	m := newMaker("cart", 0)
	insertAll(t, s, []*profile.Window{m.window(from), m.window(from.Add(time.Hour))})
	sum := func() (rows, windows uint64) {
		t.Helper()
		if _, err := s.SumActivity(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Conn().QueryRow(t.Context(), s.SQL("SELECT count(), sum(windows) FROM @.service_activity FINAL WHERE step_s = 21600 AND type = ''")).Scan(&rows, &windows); err != nil {
			t.Fatal(err)
		}
		return rows, windows
	}
	if rows, windows := sum(); rows != 1 || windows != 2 {
		t.Fatalf("%d rows with %d windows, want one with both", rows, windows)
	}
	exec(t, s, "ALTER TABLE @.service_activity DELETE WHERE step_s = 21600 SETTINGS mutations_sync = 1")
	exec(t, s, "INSERT INTO @.activity_known (at, since, upto) SELECT now64(3), since, upto FROM @.activity_known ORDER BY at DESC LIMIT 1")
	got, _, _, err := s.Services(t.Context(), store.ServiceFilter{Range: store.Range{From: from, To: from.Add(6 * time.Hour)}})
	if err != nil || len(got) != 1 || got[0].Windows != 2 {
		t.Errorf("%+v, %v, want both windows out of hours", got, err)
	}
	if rows, windows := sum(); rows != 1 || windows != 2 {
		t.Errorf("%d rows with %d windows afterwards, want one with both", rows, windows)
	}
}

// What was noted while the clock of ClickHouse was ahead is not believed once it was set
// back: windows that come then seem to have been there before.
func TestActivityAfterTheClockWasSetBack(t *testing.T) {
	s := storetest.Open(t, noSkew, patient)
	from := today()
	m := newMaker("cart", 0)
	insertAll(t, s, []*profile.Window{m.window(from), m.window(from.Add(time.Hour))})
	sum := func() {
		t.Helper()
		if _, err := s.SumActivity(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	sum()
	const ahead = "now64(3) + toIntervalHour(1)"
	for _, table := range []string{"service_activity", "target_activity"} {
		exec(t, s, "INSERT INTO @."+table+" SELECT * REPLACE ("+ahead+" AS rolled_at) FROM @."+table)
	}
	exec(t, s, "INSERT INTO @.activity_known SELECT * REPLACE ("+ahead+" AS at) FROM @.activity_known ORDER BY at DESC LIMIT 1")
	insertAll(t, s, []*profile.Window{m.window(from.Add(20 * time.Minute)), m.window(from.Add(80 * time.Minute))})

	span := store.Range{From: from, To: from.Add(2 * time.Hour)}
	check := func(when string) {
		t.Helper()
		got := lists(t, s, span, time.Hour).Services
		if len(got) != 1 || got[0].Windows != 4 {
			t.Errorf("%s: %+v, want a service with 4 windows", when, got)
		}
	}
	check("the clock was set back")
	sum() // forgets
	check("what was known is forgotten")
	sum()
	check("summed up anew")
	exec(t, s, "TRUNCATE TABLE @.profiles")
	check("out of activity alone")
}

func TestActivityStep(t *testing.T) {
	for step, want := range map[time.Duration][2]time.Duration{
		time.Minute:       {time.Minute, 0},
		5 * time.Minute:   {5 * time.Minute, 5 * time.Minute},
		12 * time.Minute:  {15 * time.Minute, 5 * time.Minute},
		48 * time.Minute:  {time.Hour, time.Hour},
		150 * time.Minute: {3 * time.Hour, time.Hour},
		336 * time.Minute: {6 * time.Hour, 6 * time.Hour},
		7 * time.Hour:     {12 * time.Hour, 6 * time.Hour},
	} {
		if longer, unit := store.ActivityStep(step); longer != want[0] || unit != want[1] {
			t.Errorf("ActivityStep(%s) = %s, %s, want %v", step, longer, unit, want)
		}
	}
}
