package load

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

const (
	steadySenders  = 400 // uploads at a time; what waits for one is late
	thinned        = 20  // stacks of a window, of each type
	podsPerService = 20
)

// TestManyPods: so many pods send a window a minute each, spread over the minute as
// pods are. Their headers are as large as real ones, their samples are few. What
// grows with what was sent, and not with what is sent at a time, would show as a
// slope: of parts, of memory, of the time an upload takes.
func TestManyPods(t *testing.T) {
	shapes := newUniverse(1, 400).shapes(16, thinned, profile.CPU, profile.Alloc, profile.Lock)
	b := startBackend(t)
	ctx, cancel := context.WithTimeout(t.Context(), *length)
	defer cancel()
	fleet := &steadyFleet{backend: b, shapes: shapes, due: make(chan due, *steady)}
	var all sync.WaitGroup
	for range steadySenders {
		all.Go(func() { fleet.send(t, ctx) })
	}
	all.Go(func() { fleet.plan(ctx, *steady) })
	b.begin(t)
	before := b.metrics(t)
	read := watch(t, ctx, fleet.read)
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
	if behind := read[len(read)-1].values[late]; behind > 1000 {
		t.Errorf("windows were sent %.0f ms after they were due: fewer than %d pods were simulated", behind, *steady)
	}
	noHigher(t, read, parts)
	flat(t, since(read, *length/3), resident, clickhouse, latency)
}

const (
	latency = "ms of an upload"
	late    = "ms late"
)

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

// send sends what is due until ctx ends.
func (f *steadyFleet) send(t *testing.T, ctx context.Context) {
	client := f.backend.client(t, asSidecars)
	for d := range f.due {
		if ctx.Err() != nil {
			return
		}
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
	of := target(fmt.Sprint("team-", d.pod/podsPerService%50), d.pod)
	of.Service = fmt.Sprint("service-", d.pod/podsPerService)
	of.Pod = fmt.Sprintf("service-%d-7c9f8d6b5-%05d", d.pod/podsPerService, d.pod)
	of.PodUID = fmt.Sprintf("6f1d2c3b-aaaa-4bbb-8ccc-%012d", d.pod)
	return as(f.shapes[d.pod%len(f.shapes)], of, d.at.UTC().Truncate(time.Second).Add(-time.Minute))
}

// read is the state of the backend, and how uploads went since it was read last.
func (f *steadyFleet) read(t *testing.T) map[string]float64 {
	f.mu.Lock()
	took, behind := f.took, f.late
	f.took, f.late = nil, nil
	f.mu.Unlock()
	values := f.backend.state(t)
	values[latency], values[late], values["windows"] = median(took), median(behind), float64(len(took))
	return values
}

func median(list []time.Duration) float64 {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return float64(list[len(list)/2]) / float64(time.Millisecond)
}
