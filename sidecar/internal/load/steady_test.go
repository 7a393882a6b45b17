package load

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

// What TestManyPods reads, and how.
const (
	readEvery = 5 * time.Second
	maxGrowth = 0.05 // of the mean, over the time that is looked at
	senders   = 64   // uploads at a time; what waits for one is late
	thinned   = 20   // stacks of a window
	perTarget = 20   // pods of a service
)

// TestManyPods: so many pods send a window a minute each, spread over the minute as
// pods are. Their headers are as large as real ones, their samples are few. What
// grows with what was sent, and not with what is sent at a time, would show as a
// slope: of parts, of memory, of the time an upload takes.
func TestManyPods(t *testing.T) {
	shapes := thinShapes(16)
	b := startBackend(t)
	ctx, cancel := context.WithTimeout(t.Context(), *length)
	defer cancel()
	fleet := &steadyFleet{backend: b, shapes: shapes, due: make(chan due, *steady)}
	var all sync.WaitGroup
	for range senders {
		all.Go(func() { fleet.send(t) })
	}
	all.Go(func() { fleet.plan(ctx, *steady) })
	b.begin(t)
	before := b.metrics(t)
	read := fleet.read(t, ctx)
	took := time.Since(b.began)
	all.Wait()
	after := b.metrics(t)
	inserts := (after["podflame_store_blocks_total"] - before["podflame_store_blocks_total"]) / took.Seconds()
	commits := (after["podflame_store_commit_windows_count"] - before["podflame_store_commit_windows_count"]) / took.Seconds()
	b.report(t, fleet.sent, fleet.sent*3*thinned, fmt.Sprintf("%d pods for %s, %.1f inserts/s of all tables in %.1f groups/s; %d failed, the latest first: %v",
		*steady, took.Round(time.Second), inserts, commits, fleet.failed, fleet.last))
	if fleet.failed > 0 {
		t.Errorf("%d of %d windows failed", fleet.failed, fleet.sent)
	}
	if *steady <= 1_000 && inserts > 4 {
		t.Errorf("%.1f inserts/s for %d pods, more than 4", inserts, *steady)
	}
	settled := read[len(read)/3:]
	if len(settled) < 12 {
		t.Fatalf("%d readings are too few to see a slope in: let it run for longer than %s", len(settled), *length)
	}
	for _, what := range []string{"parts", "backend MiB", "ClickHouse MiB", "latency ms", "late ms"} {
		line := fit(settled, what)
		t.Logf("%s: %s", what, line)
		if line.growth-3*line.noise > maxGrowth {
			t.Errorf("%s grow: %s", what, line)
		}
	}
}

// thinShapes are sets of the usual three types with few stacks each, to be sent as
// those of many pods.
func thinShapes(n int) []*profile.Window {
	u := newUniverse(1, 400)
	var shapes []*profile.Window
	for range n {
		w := &profile.Window{}
		for _, of := range []profile.Type{profile.CPU, profile.Alloc, profile.Lock} {
			one := u.window(target("shop", 0), time.Unix(0, 0), thinned)
			set, coverage := one.Sets[0], one.Coverage[0]
			set.Type, coverage.Type = of, of
			w.Sets, w.Coverage = append(w.Sets, set), append(w.Coverage, coverage)
		}
		shapes = append(shapes, w)
	}
	return shapes
}

// due is a window that a pod is to send.
type due struct {
	pod int
	at  time.Time
}

type steadyFleet struct {
	backend *backend
	shapes  []*profile.Window
	due     chan due

	mu           sync.Mutex
	sent, failed int
	last         error
	took, late   []time.Duration // since the last reading
}

// plan hands each pod's window over when it is due, until ctx ends.
func (f *steadyFleet) plan(ctx context.Context, pods int) {
	defer close(f.due)
	began, every := time.Now(), time.Minute/time.Duration(pods)
	for i := 0; ; i++ {
		at := began.Add(time.Duration(i) * every)
		if wait := time.Until(at); wait > 0 {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
		}
		select {
		case <-ctx.Done():
			return
		case f.due <- due{i % pods, at}:
		}
	}
}

func (f *steadyFleet) send(t *testing.T) {
	client := f.backend.client(t, asSidecars)
	for d := range f.due {
		body := encode(t, f.window(d))
		began := time.Now()
		err := once(client, body)
		f.mu.Lock()
		f.sent++
		f.took, f.late = append(f.took, time.Since(began)), append(f.late, began.Sub(d.at))
		if err != nil {
			f.failed, f.last = f.failed+1, err
		}
		f.mu.Unlock()
	}
}

func (f *steadyFleet) window(d due) *profile.Window {
	of := target(fmt.Sprint("team-", d.pod/perTarget%50), d.pod)
	of.Service = fmt.Sprint("service-", d.pod/perTarget)
	of.Pod = fmt.Sprintf("service-%d-7c9f8d6b5-%05d", d.pod/perTarget, d.pod)
	of.PodUID = fmt.Sprintf("6f1d2c3b-aaaa-4bbb-8ccc-%012d", d.pod)
	end := d.at.UTC().Truncate(time.Second)
	shape := f.shapes[d.pod%len(f.shapes)]
	w := &profile.Window{
		Target: of, Session: "s", Start: end.Add(-time.Minute), End: end,
		Settings: profile.Settings{Engine: "ctimer", CPUInterval: 10 * time.Millisecond, AllocInterval: 512 << 10, LockThreshold: 10 * time.Millisecond},
		Sets:     shape.Sets, Coverage: shape.Coverage,
	}
	w.ID = profile.NewWindowID(of.SeriesID(), w.Session, w.Start)
	return w
}

// reading is what was read at a time, by what it is of.
type reading struct {
	at     time.Duration
	values map[string]float64
}

// read reads the state of the backend until ctx ends.
func (f *steadyFleet) read(t *testing.T, ctx context.Context) []reading {
	t.Helper()
	var all []reading
	every := time.NewTicker(readEvery)
	defer every.Stop()
	for began := time.Now(); ; {
		select {
		case <-ctx.Done():
			return all
		case <-every.C:
		}
		ours, theirs := f.backend.resident(t)
		f.mu.Lock()
		took, late := f.took, f.late
		f.took, f.late = nil, nil
		f.mu.Unlock()
		r := reading{time.Since(began), map[string]float64{
			"parts": f.backend.parts(t), "backend MiB": ours, "ClickHouse MiB": theirs, "latency ms": median(took), "late ms": median(late),
		}}
		all = append(all, r)
		t.Logf("%s: %v, %d windows", r.at.Round(time.Second), r.values, len(took))
	}
}

func median(list []time.Duration) float64 {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return float64(list[len(list)/2]) / float64(time.Millisecond)
}

// resident are the resident sets now, in MiB.
func (b *backend) resident(t *testing.T) (backend, clickhouse float64) {
	for _, p := range b.processes(t) {
		status, err := p.NewStatus()
		if err != nil {
			continue
		}
		if p.PID == b.process.Process.Pid {
			backend = float64(status.VmRSS) / (1 << 20)
		} else {
			clickhouse = float64(status.VmRSS) / (1 << 20)
		}
	}
	return backend, clickhouse
}

// parts are the active parts of all tables.
func (b *backend) parts(t *testing.T) float64 {
	response, err := http.Get(b.url + "/api/v1/ingest/health")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var health struct {
		Store struct {
			ActiveParts float64 `json:"activeParts"`
		} `json:"store"`
	}
	if err := json.NewDecoder(response.Body).Decode(&health); err != nil {
		t.Fatal(err)
	}
	return health.Store.ActiveParts
}

// line is a straight line through readings: how much it grows from the first to
// the last, as a part of the mean, and the standard error of that.
type line struct{ mean, growth, noise float64 }

func (l line) String() string {
	return fmt.Sprintf("mean %.1f, %+.1f %% ± %.1f %%", l.mean, 100*l.growth, 100*l.noise)
}

// fit is the line of least squares. Neighbouring readings are alike, which makes
// less of them than their number: the error is widened by their correlation.
func fit(all []reading, what string) line {
	n := float64(len(all))
	var meanX, meanY float64
	for _, r := range all {
		meanX, meanY = meanX+r.at.Seconds()/n, meanY+r.values[what]/n
	}
	if meanY == 0 {
		return line{}
	}
	var xx, xy float64
	for _, r := range all {
		x := r.at.Seconds() - meanX
		xx, xy = xx+x*x, xy+x*(r.values[what]-meanY)
	}
	slope := xy / xx
	var rest, before, alike float64
	for i, r := range all {
		e := r.values[what] - meanY - slope*(r.at.Seconds()-meanX)
		if rest += e * e; i > 0 {
			alike += e * before
		}
		before = e
	}
	correlation := 0.0
	if rest > 0 {
		correlation = min(max(alike/rest, 0), 0.9)
	}
	span := all[len(all)-1].at.Seconds() - all[0].at.Seconds()
	noise := math.Sqrt(rest/(n-2)/xx) * math.Sqrt((1+correlation)/(1-correlation))
	return line{meanY, slope * span / meanY, noise * span / math.Abs(meanY)}
}
