package load

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/push"
	"github.com/podflame/podflame/sidecar/internal/spool"
)

const (
	stacksOfFleet = 200 // of a window
	fewRefused    = 0.01
	probeTimeout  = time.Second // of the kubelet, unless told otherwise
)

// TestFleetAfterAnOutage: a fleet has saved ten minutes while the backend was away,
// and has waited for it as sidecars do, each with its own back-off, which spreads them
// the more the longer it is. It must drain without a stampede: the backend stays ready,
// and refuses few.
func TestFleetAfterAnOutage(t *testing.T) {
	b := startBackend(t, fmt.Sprintf("--max-uploads=%d", 2**pods)) // one source may have three quarters, and all come from this host
	address := b.doors[sidecars]
	b.stop(t)
	shapes := newUniverse(1, 2_000).shapes(16, stacksOfFleet, profile.CPU)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	const each = 10
	var all sync.WaitGroup
	var mu sync.Mutex
	var last time.Duration
	var returned time.Time
	dir := t.TempDir()
	for pod := range *pods {
		reg := registry()
		s, err := spool.Open(filepath.Join(dir, fmt.Sprint(pod)), spool.DefaultLimits(), quiet, reg)
		if err != nil {
			t.Fatal(err)
		}
		for _, start := range minutes(each) {
			if err := s.Put(ctx, as(shapes[pod%len(shapes)], target(fmt.Sprint("n", pod%10), pod), start)); err != nil {
				t.Fatal(err)
			}
		}
		config := push.DefaultConfig()
		config.URL = "http://" + address
		client, err := push.NewClient(config)
		if err != nil {
			t.Fatal(err)
		}
		pusher := push.NewPusher(s, client, config, quiet, reg)
		all.Go(func() {
			pusher.Drain(ctx)
			mu.Lock()
			defer mu.Unlock()
			last = max(last, time.Since(returned))
			if left := s.Stats().Windows; left > 0 {
				t.Errorf("%d windows of pod %d are left: %s", left, pod, pusher.LastError())
			}
		})
	}
	time.Sleep(*outage) // in which the waits grow
	b.start(t, address)
	mu.Lock()
	returned = time.Now()
	mu.Unlock()
	stop := make(chan struct{})
	slowest := time.Duration(0)
	var probes sync.WaitGroup
	probes.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(200 * time.Millisecond):
			}
			began := time.Now()
			if err := b.get(operations, "/readyz"); err != nil {
				t.Errorf("a probe during the drain: %v", err)
			}
			slowest = max(slowest, time.Since(began))
		}
	})
	all.Wait()
	close(stop)
	probes.Wait()
	b.report(t, *pods*each, *pods*each*stacksOfFleet, fmt.Sprintf("%d sidecars, the last was empty %s after the backend was ready; slowest probe %s", *pods, last.Round(time.Second), slowest.Round(time.Millisecond)))
	if n := retryable(b.metrics(t)); n > fewRefused*float64(*pods*each) {
		t.Errorf("%.0f of %d uploads were told to come again", n, *pods*each)
	}
	if slowest > probeTimeout {
		t.Errorf("a probe took %s, longer than %s", slowest, probeTimeout)
	}
}
