package load

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"testing"
	"time"
)

const (
	readEvery   = 5 * time.Second
	maxGrowth   = 0.05 // of the mean, over the time that is looked at
	minReadings = 12   // to see a slope in
)

// What is read of a backend.
const (
	parts       = "parts"
	resident    = "MiB of the backend"
	clickhouse  = "MiB of ClickHouse"
	heap        = "MiB of heap in use"
	disk        = "MiB on disk"
	goroutines  = "goroutines"
	descriptors = "descriptors"
)

// health is what the backend says of its store.
type health struct {
	Store struct {
		ActiveParts   float64 `json:"activeParts"`
		DiskUsedBytes float64 `json:"diskUsedBytes"`
		Ended         *struct {
			Count int    `json:"count"`
			How   string `json:"how"`
		} `json:"ended"`
	} `json:"store"`
}

func (b *backend) health(t *testing.T) (h health) {
	t.Helper()
	b.decode(t, "/api/v1/ingest/health", &h)
	return h
}

// decode asks at the door of people.
func (b *backend) decode(t *testing.T, path string, into any) {
	t.Helper()
	response, err := http.Get(b.url(people) + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(into); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s is %s, %v", path, response.Status, err)
	}
}

// state is what the backend takes now.
func (b *backend) state(t *testing.T) map[string]float64 {
	t.Helper()
	health, m := b.health(t), b.metrics(t)
	values := map[string]float64{
		parts: health.Store.ActiveParts, disk: health.Store.DiskUsedBytes / (1 << 20),
		heap: m["go_memstats_heap_inuse_bytes"] / (1 << 20), goroutines: m["go_goroutines"], descriptors: m["process_open_fds"],
	}
	for _, p := range b.processes(t) {
		status, err := p.NewStatus()
		if err != nil {
			continue
		}
		if p.PID == b.process.Process.Pid {
			values[resident] = float64(status.VmRSS) / (1 << 20)
		} else {
			values[clickhouse] = float64(status.VmRSS) / (1 << 20)
		}
	}
	return values
}

// reading is what was read at a time, by what it is of.
type reading struct {
	at     time.Duration
	values map[string]float64
}

func (r reading) String() string {
	text := r.at.Round(time.Second).String()
	for _, name := range slices.Sorted(maps.Keys(r.values)) {
		text += fmt.Sprintf(", %.1f %s", r.values[name], name)
	}
	return text
}

// watch reads until ctx ends.
func watch(t *testing.T, ctx context.Context, read func(*testing.T) map[string]float64) (all []reading) {
	t.Helper()
	every := time.NewTicker(readEvery)
	defer every.Stop()
	for began := time.Now(); ; {
		select {
		case <-ctx.Done():
			return all
		case <-every.C:
		}
		r := reading{time.Since(began), read(t)}
		all = append(all, r)
		t.Log(r)
	}
}

// since are the readings from a time on.
func since(all []reading, at time.Duration) []reading {
	first := slices.IndexFunc(all, func(r reading) bool { return r.at >= at })
	if first < 0 {
		return nil
	}
	return all[first:]
}

// flat says how each of some readings changed, and fails if one grew by more than can be
// chance. They begin when what is read has settled.
func flat(t *testing.T, settled []reading, names ...string) {
	t.Helper()
	if len(settled) < minReadings {
		t.Fatalf("%d readings are too few to see a slope in: let it run for longer", len(settled))
	}
	for _, name := range names {
		l := fit(settled, name)
		t.Logf("%s: %s", name, l)
		if l.growth-3*l.noise > maxGrowth {
			t.Errorf("%s grow: %s", name, l)
		}
	}
}

// noHigher fails if what rises and falls in teeth, as parts do between merges, came
// higher over the last two thirds of the time than before: a line through some teeth
// tells with which of them it began.
func noHigher(t *testing.T, all []reading, name string) {
	t.Helper()
	early, late := all[:len(all)/3], all[len(all)/3:]
	if len(early) < minReadings {
		t.Fatalf("%d readings are too few to see a height in: let it run for longer", len(early))
	}
	before, after := highest(early, name), highest(late, name)
	t.Logf("%s: at most %.1f over the first third, %.1f after it", name, before, after)
	if after > before*(1+maxGrowth) {
		t.Errorf("%s grow: at most %.1f over the first third, %.1f after it", name, before, after)
	}
}

// highest is the highest mean of as many readings in turn as it takes to see something.
func highest(all []reading, name string) (most float64) {
	for turn := minReadings; turn <= len(all); turn++ {
		var sum float64
		for _, r := range all[turn-minReadings : turn] {
			sum += r.values[name]
		}
		most = max(most, sum/minReadings)
	}
	return most
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
