package store_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/procfs"

	"github.com/podflame/podflame/backend/internal/access"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/storetest"
	"github.com/podflame/podflame/backend/profile"
)

// The synthetic service, of the same shape as the one by which the peer was
// measured: stacks of 20 to 120 frames, about 285,000 nodes, of which a pod takes
// benchSamples in a minute, a stack the more often the lower its number (Zipf). So
// a window has benchStacks of them.
const (
	benchUniverse  = 30_000
	benchFunctions = 15_000
	benchSamples   = 8_400
	benchStacks    = 3_300
	benchPods      = 5
)

// universe has all stacks of the synthetic service. Like in real profiles they
// share their beginnings.
func universe() profile.StackSet {
	random := rand.New(rand.NewPCG(1, 2))
	set := profile.StackSet{Type: profile.CPU}
	for i := range benchFunctions {
		set.Functions = append(set.Functions, profile.Function{Name: fmt.Sprintf("com.example.shop.module%02d.internal.ServiceImpl%03d.handleRequest%d", i%50, i%500, i)})
	}
	var frames []uint32
	for range benchUniverse {
		frames = slices.Clone(frames[:min(len(frames), 12+random.IntN(100))])
		for more := max(1+random.IntN(18), 20-len(frames)); more > 0; more-- {
			frames = append(frames, uint32(random.IntN(len(set.Functions))))
		}
		set.Stacks = append(set.Stacks, profile.Stack{Frames: frames, Value: 10_000_000, Count: 1})
	}
	return set
}

// minute is a window that holds some of the stacks.
func minute(m *maker, all *profile.StackSet, start time.Time, stacks int) *profile.Window {
	w := m.window(start)
	set := profile.StackSet{Type: profile.CPU, Functions: all.Functions}
	first := m.random.IntN(len(all.Stacks) - stacks + 1)
	set.Stacks = append(set.Stacks, all.Stacks[first:first+stacks]...)
	total := set.Total()
	w.Sets, w.Coverage = []profile.StackSet{set}, []profile.Coverage{{Type: profile.CPU, Captured: total, Stored: total}}
	return w
}

// BenchmarkInsert compares Insert, with all it does to count a window once and
// to have its stacks, to a bare insert of the same rows by clickhouse-go.
func BenchmarkInsert(b *testing.B) {
	s := storetest.Open(b)
	m, all := newMaker("bench", 0), universe()
	m.types = nil
	insert(b, s, minute(m, &all, today().Add(-time.Minute), benchUniverse)) // all stacks are known
	if err := s.Conn().Exec(b.Context(), s.SQL("CREATE TABLE @.bare AS @.samples")); err != nil {
		b.Fatal(err)
	}
	var ours, bare time.Duration
	var ourCPU, bareCPU float64
	rows := 0
	for i := 0; b.Loop(); i++ {
		w := minute(m, &all, today().Add(time.Duration(i)*time.Second), benchStacks)
		columns := bareColumns(w)
		began, cpu := time.Now(), cpuSeconds(b)
		rows += insert(b, s, w).Rows
		middle, middleCPU := time.Now(), cpuSeconds(b)
		bareInsert(b, s, columns)
		ours, bare = ours+middle.Sub(began), bare+time.Since(middle)
		ourCPU, bareCPU = ourCPU+middleCPU-cpu, bareCPU+cpuSeconds(b)-middleCPU
	}
	b.ReportMetric(float64(ours.Microseconds())/float64(rows), "µs/row")
	b.ReportMetric(float64(bare.Microseconds())/float64(rows), "bare-µs/row")
	b.ReportMetric(float64(ours)/float64(bare), "×bare")
	b.ReportMetric(ourCPU*1e6/float64(rows), "cpu-µs/row")
	b.ReportMetric(ourCPU/bareCPU, "cpu-×bare")
}

// BenchmarkInsertTogether stores what many pods send at the same time, as a fleet
// does: CPU and blocks for each row and window, where BenchmarkInsert has one
// window after the other.
func BenchmarkInsertTogether(b *testing.B) {
	for _, pods := range []int{1, 20, 100} {
		b.Run(fmt.Sprint(pods), func(b *testing.B) {
			registry := prometheus.NewRegistry()
			s := storetest.Open(b, func(c *store.Config) { c.Registry, c.Limits.CommitDelay = registry, 200*time.Millisecond })
			all := universe()
			makers := make([]*maker, pods)
			for pod := range makers {
				makers[pod] = newMaker("bench", pod)
				makers[pod].types = nil
			}
			insert(b, s, minute(makers[0], &all, today().Add(-time.Minute), benchUniverse)) // all stacks are known
			blocks := gathered(b, registry, "podflame_store_blocks_total")
			cpu, own, rows, windows, first := 0.0, 0.0, 0, 0, 0
			for i := 0; b.Loop(); i++ {
				var together []*profile.Window
				for _, m := range makers {
					together = append(together, minute(m, &all, today().Add(time.Duration(i)*time.Second), benchStacks))
				}
				before, ownBefore := cpuSeconds(b), ownCPU(b)
				results, errs := insertTogether(s, together)
				cpu, own = cpu+cpuSeconds(b)-before, own+ownCPU(b)-ownBefore
				for j, r := range results {
					rows, windows = rows+r.Rows, windows+1
					if errs[j] == nil {
						first++
					}
				}
			}
			b.ReportMetric(cpu*1e6/float64(rows), "cpu-µs/row")
			b.ReportMetric(own*1e6/float64(rows), "own-cpu-µs/row")
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric((gathered(b, registry, "podflame_store_blocks_total")-blocks)/float64(windows), "blocks/window")
			b.ReportMetric(float64(windows-first), "failed-windows")
		})
	}
}

func bareColumns(w *profile.Window) []any {
	set := w.Sets[0]
	n := len(set.Stacks)
	ids, values, counts := make([]uint64, n), make([]int64, n), make([]uint64, n)
	for i, stack := range set.Stacks {
		var frames []uint64
		for _, f := range stack.Frames {
			frames = append(frames, uint64(f))
		}
		ids[i], values[i], counts[i] = profile.StackID(frames), stack.Value, uint64(stack.Count)
	}
	return []any{
		slices.Repeat([]string{w.Target.Cluster}, n), slices.Repeat([]string{w.Target.Namespace}, n), slices.Repeat([]string{w.Target.Service}, n),
		slices.Repeat([]string{"cpu"}, n), slices.Repeat([]time.Time{w.Start}, n), slices.Repeat([]uint32{60}, n),
		slices.Repeat([]uint64{w.Target.SeriesID()}, n), ids, values, counts, slices.Repeat([]uint64{1}, n),
	}
}

func bareInsert(b *testing.B, s *store.Store, columns []any) {
	b.Helper()
	ctx := clickhouse.Context(context.Background(), clickhouse.WithSettings(clickhouse.Settings{"async_insert": 0}))
	batch, err := s.Conn().PrepareBatch(ctx, s.SQL("INSERT INTO @.bare"))
	if err != nil {
		b.Fatal(err)
	}
	for i, column := range columns {
		if err := batch.Column(i).Append(column); err != nil {
			b.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkFlame makes call trees of a quarter of an hour to a day, from a cold
// and from a warm cache, and leaves of them what an answer has. version is of one
// version, samples of chosen targets, without roll-up; scoped is what a reader of
// one namespace asks; diff has the six hours before beside the six hours. floor is
// the sum by stack alone. now ends
// at the present, where windows are looked at one by one; before each arriving one
// a window with a thousand stacks has come that nobody has seen.
//
// What ClickHouse takes of CPU without any query is taken off: on a busy machine a
// query waits, and would be charged with it.
func BenchmarkFlame(b *testing.B) {
	registry := prometheus.NewRegistry()
	s := storetest.Open(b, noSkew, patient, func(c *store.Config) { c.Registry = registry })
	day := today().Truncate(24 * time.Hour)
	history(b, s, day)
	now := time.Now().UTC().Truncate(time.Minute).Add(-15 * time.Minute)
	arrivals := newMaker("bench", 1)
	arrivals.types = nil
	all := universe()
	insert(b, s, minute(arrivals, &all, now.Add(-time.Minute), benchUniverse))
	samples(b, s, now.Add(-time.Minute), now, 15, benchPods)
	present := selection("bench", profile.CPU, now, 15*time.Minute)
	quarter := selection("bench", profile.CPU, day.Add(23*time.Hour+15*time.Minute), 15*time.Minute)
	hour := selection("bench", profile.CPU, day.Add(23*time.Hour), time.Hour)
	six := selection("bench", profile.CPU, day.Add(18*time.Hour), 6*time.Hour)
	sixBefore := selection("bench", profile.CPU, day.Add(12*time.Hour), 6*time.Hour)
	whole := selection("bench", profile.CPU, day, 24*time.Hour)
	version, fromSamples := whole, whole
	version.Versions = []string{"v"}
	fromSamples.Nodes = []string{"", "node-1"}
	want := read(b, s, fromSamples)
	if got := read(b, s, whole); got.Total() != want.Total() || len(got.Stacks) != len(want.Stacks) || len(got.Stacks) == 0 {
		b.Fatalf("the roll-up has %+v in %d stacks, samples %+v in %d", got.Total(), len(got.Stacks), want.Total(), len(want.Stacks))
	}
	of := func(s ...store.Selection) []store.Selection { return s }
	bench := flameBench{store: s, registry: registry, idle: idleCPU(b), perOp: map[string]float64{}}
	b.Logf("without a query: %.0f ms of CPU in a second", bench.idle*1000)
	for _, floor := range []struct{ name, rows string }{
		{"15m/floor", "samples WHERE " + samplesOf(quarter.From, 15*time.Minute)},
		{"15m/now/floor", "samples WHERE " + samplesOf(present.From, 15*time.Minute)},
		{"1h/floor", "samples_1h_by_version FINAL WHERE " + hoursOf(hour.From, time.Hour)},
		{"6h/floor", "samples_1h_by_version FINAL WHERE " + hoursOf(six.From, 6*time.Hour)},
		{"24h/floor", "samples_1h_by_version FINAL WHERE " + hoursOf(day, 24*time.Hour)},
	} {
		b.Run(floor.name, func(b *testing.B) { bench.floor(b, floor.name, floor.rows) })
	}
	arrive := func() { insert(b, s, unseen(arrivals, &all, now)) }
	for _, query := range []flameQuery{
		{"15m/cold", s.ForgetStacks, of(quarter), access.Everything(), ""},
		{"24h/cold", s.ForgetStacks, of(whole), access.Everything(), "15m/cold"},
		{"15m/warm", nil, of(quarter), access.Everything(), "15m/floor"},
		{"15m/scoped", nil, of(quarter), access.Of("shop"), "15m/warm"},
		{"15m/now", nil, of(present), access.Everything(), "15m/now/floor"},
		{"15m/now/arriving", arrive, of(present), access.Everything(), "15m/now"},
		{"15m/now/cold/arriving", func() { arrive(); s.ForgetStacks() }, of(present), access.Everything(), "15m/cold"},
		{"1h/warm", nil, of(hour), access.Everything(), "1h/floor"},
		{"6h/warm", nil, of(six), access.Everything(), "6h/floor"},
		{"6h/diff", nil, of(sixBefore, six), access.Everything(), "6h/warm"},
		{"24h/warm", nil, of(whole), access.Everything(), "24h/floor"},
		{"24h/scoped", nil, of(whole), access.Of("shop"), "24h/warm"},
		{"24h/version", nil, of(version), access.Everything(), "24h/warm"},
		{"24h/samples", nil, of(fromSamples), access.Everything(), "24h/warm"},
		{"24h/samples/scoped", nil, of(fromSamples), access.Of("shop"), "24h/samples"},
	} {
		b.Run(query.name, func(b *testing.B) { bench.query(b, query) })
	}
}

// flameBench measures queries one after the other.
type flameBench struct {
	store    *store.Store
	registry *prometheus.Registry
	idle     float64            // CPU seconds in a second
	perOp    map[string]float64 // CPU ms, by name
}

type flameQuery struct {
	name  string
	first func() // before each query
	sel   []store.Selection
	seen  access.Scope
	over  string
}

func (f *flameBench) query(b *testing.B, q flameQuery) {
	ctx := access.Into(b.Context(), q.seen)
	var last *store.Sums
	ask := func() {
		var err error
		if last, err = f.store.Sums(ctx, q.sel...); err != nil {
			b.Fatal(err)
		}
		last.Tree.Prune(answerNodes)
	}
	f.measure(b, q.name, q.first, ask)
	b.ReportMetric(float64(last.Cost.RowsRead), "rows/query")
	b.ReportMetric(float64(last.Tree.Size()), "nodes")
	if over := f.perOp[q.over]; over > 0 {
		b.ReportMetric(f.perOp[q.name]/over, "cpu-×"+q.over)
	}
	if strings.Contains(q.name, "cold") {
		b.ReportMetric(heapPeak(func() { f.store.ForgetStacks(); ask() })/1e6, "peak-MB")
		b.ReportMetric(gathered(b, f.registry, "podflame_calltree_bytes")/1e6, "cache-MB")
	}
}

// floor sums rows up by stack, which any answer needs, and nothing else.
func (f *flameBench) floor(b *testing.B, name, rows string) {
	ctx := clickhouse.Context(b.Context(), clickhouse.WithSettings(clickhouse.Settings{"max_threads": 2, "do_not_merge_across_partitions_select_final": 1}))
	statement := f.store.SQL("SELECT stack_id, sum(value) AS v, sum(count) FROM @." + rows + " GROUP BY stack_id ORDER BY v DESC")
	stacks := 0
	f.measure(b, name, nil, func() {
		stacks = 0
		list, err := f.store.Conn().Query(ctx, statement)
		if err != nil {
			b.Fatal(err)
		}
		var stack, count uint64
		var value int64
		for ; list.Next(); stacks++ {
			if err := list.Scan(&stack, &value, &count); err != nil {
				b.Fatal(err)
			}
		}
		if err := errors.Join(list.Err(), list.Close()); err != nil {
			b.Fatal(err)
		}
	})
	b.ReportMetric(float64(stacks), "stacks")
}

func (f *flameBench) measure(b *testing.B, name string, first, do func()) {
	var cpu, own float64
	var wall time.Duration
	for b.Loop() {
		if first != nil {
			first()
		}
		began, before, ownBefore := time.Now(), cpuSeconds(b), ownCPU(b)
		do()
		cpu, own, wall = cpu+cpuSeconds(b)-before, own+ownCPU(b)-ownBefore, wall+time.Since(began)
	}
	f.perOp[name] = (cpu - f.idle*wall.Seconds()) * 1000 / float64(b.N)
	b.ReportMetric(float64(wall.Microseconds())/1000/float64(b.N), "ms/query")
	b.ReportMetric(f.perOp[name], "cpu-ms/query")
	b.ReportMetric(own*1000/float64(b.N), "own-cpu-ms/query")
}

// answerNodes is what a flame graph has unless asked otherwise.
const answerNodes = 8_192

// heapPeak is how many bytes more than before are on the heap at most while do
// runs. Garbage is collected early, to be a small part of it.
func heapPeak(do func()) float64 {
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	runtime.GC()
	before, stop, peak := heapBytes(), make(chan struct{}), make(chan float64)
	go func() {
		most := before
		for {
			select {
			case <-stop:
				peak <- float64(max(most, heapBytes())) - float64(before)
				return
			case <-time.After(time.Millisecond):
				most = max(most, heapBytes())
			}
		}
	}()
	do()
	close(stop)
	return <-peak
}

func heapBytes() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// history makes a day of the synthetic service.
func history(b *testing.B, s *store.Store, day time.Time) {
	b.Helper()
	hoursOfHistory(b, s, day, 24, benchPods)
}

// unseen is a window whose stacks are new.
func unseen(m *maker, all *profile.StackSet, start time.Time) *profile.Window {
	m.target.PID++ // another one of that minute
	w := minute(m, all, start, 1000)
	stacks := slices.Clone(w.Sets[0].Stacks)
	for i := range stacks {
		frames := stacks[i].Frames
		stacks[i].Frames = append(slices.Clone(frames[:m.random.IntN(len(frames))]), uint32(m.random.IntN(len(all.Functions))), uint32(m.random.IntN(len(all.Functions))))
	}
	w.Sets[0].Stacks = stacks
	return w
}

// hoursOfHistory makes hours of the synthetic service and rolls them up.
func hoursOfHistory(b *testing.B, s *store.Store, day time.Time, hours, pods int) {
	b.Helper()
	m, all := newMaker("bench", 0), universe()
	m.types, m.target.Version = nil, "v"
	insert(b, s, minute(m, &all, day, benchUniverse))
	for hour := range hours {
		samples(b, s, day, day.Add(time.Duration(hour)*time.Hour), 60, pods)
	}
	for done := 0; done < hours; {
		n, err := s.RollupDue(context.Background(), day.Add(25*time.Hour))
		if err != nil {
			b.Fatal(err)
		}
		done += n
	}
}

// samples makes minutes of the synthetic service inside ClickHouse, out of the
// stacks of the real window that began at seen.
func samples(b *testing.B, s *store.Store, seen, from time.Time, minutes, pods int) {
	b.Helper()
	const quarter = 15 // minutes: what ClickHouse sorts at a time
	for done := 0; done < minutes; done += quarter {
		quarterOfSamples(b, s, seen, from.Add(time.Duration(done)*time.Minute), min(quarter, minutes-done), pods)
	}
}

func quarterOfSamples(b *testing.B, s *store.Store, seen, from time.Time, minutes, pods int) {
	b.Helper()
	for _, statement := range []string{
		fmt.Sprintf(`INSERT INTO @.samples (cluster, namespace, service, type, window_start, duration_s, series_id, stack_id, value, count)
WITH (SELECT groupArray(stack_id) FROM @.samples WHERE service = 'bench' AND window_start = toDateTime(%d, 'UTC') AND series_id > 1000000) AS ids
SELECT 'c1', 'shop', 'bench', 'cpu', toDateTime(%d, 'UTC') + 60 * intDiv(number, %d) AS minute, 60, intDiv(number, %d) %% %d + 1 AS pod,
  ids[toUInt32(pow(%d, (cityHash64(number, %d) %% 1000000) / 1000000.))] AS stack, 10000000 * count() AS value, count() AS count
FROM numbers(%d) GROUP BY minute, pod, stack`, seen.Unix(), from.Unix(), benchSamples*pods, benchSamples, pods, benchUniverse, from.Unix(), benchSamples*pods*minutes),
		fmt.Sprintf(`INSERT INTO @.profiles (cluster, namespace, service, type, window_start, duration_s, series_id, window_id, version, types, stored_value, stored_count)
SELECT 'c1', 'shop', 'bench', arrayJoin(['', 'cpu']) AS t, window_start, 60, series_id, toString(series_id), 'v', ['cpu'], if(t = '', 0, sum(value)), if(t = '', 0, sum(count))
FROM @.samples WHERE %s AND series_id < 1000000 GROUP BY series_id, window_start`, samplesOf(from, time.Duration(minutes)*time.Minute)),
	} {
		if err := s.Conn().Exec(context.Background(), s.SQL(statement)); err != nil {
			b.Fatal(err)
		}
	}
}

// samplesOf is the condition on samples of the synthetic service, as it is fastest.
func samplesOf(from time.Time, length time.Duration) string {
	first, next := from.Unix(), from.Add(length).Unix()
	return fmt.Sprintf(`service = 'bench' AND namespace = 'shop' AND cluster = 'c1' AND type = 'cpu' AND window_start >= toDateTime(%[1]d, 'UTC') AND window_start < toDateTime(%[2]d, 'UTC')
AND indexHint(toStartOfFifteenMinutes(window_start) BETWEEN toStartOfFifteenMinutes(toDateTime(%[1]d, 'UTC')) AND toStartOfFifteenMinutes(toDateTime(%[2]d - 1, 'UTC')))`, first, next)
}

// hoursOf is the condition on the rolled up hours of the synthetic service.
func hoursOf(from time.Time, length time.Duration) string {
	return fmt.Sprintf("service = 'bench' AND namespace = 'shop' AND cluster = 'c1' AND type = 'cpu' AND hour >= toDateTime(%d, 'UTC') AND hour < toDateTime(%d, 'UTC')",
		from.Unix(), from.Add(length).Unix())
}

// patient reads also where a loaded machine is slower than users would bear.
func patient(c *store.Config) { c.Limits.QueryTimeout = 5 * time.Minute }

// cpuSeconds is the CPU time of this process and of the server until now. It is
// steadier than the clock where other work runs; merges in the background are
// part of it.
func cpuSeconds(b *testing.B) float64 {
	b.Helper()
	return cpuOf(b, os.Getpid(), storetest.Server(b).PID())
}

// idleCPU is how many seconds of CPU a second without queries takes, once merges
// have come to rest.
func idleCPU(b *testing.B) float64 {
	b.Helper()
	const span, most = 2 * time.Second, 15
	least := math.Inf(1)
	for range most {
		before := cpuSeconds(b)
		time.Sleep(span)
		spent := (cpuSeconds(b) - before) / span.Seconds()
		if spent > least*0.9 {
			break
		}
		least = spent
	}
	return least
}

// ownCPU is that of this process alone.
func ownCPU(b *testing.B) float64 {
	b.Helper()
	return cpuOf(b, os.Getpid())
}

func cpuOf(b *testing.B, pids ...int) (sum float64) {
	b.Helper()
	for _, pid := range pids {
		process, err := procfs.NewProc(pid)
		if err != nil {
			b.Fatal(err)
		}
		stat, err := process.Stat()
		if err != nil {
			b.Fatal(err)
		}
		sum += stat.CPUTime()
	}
	return sum
}
