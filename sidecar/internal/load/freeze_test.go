package load

import (
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

const (
	freezeSenders = 16
	freezeStacks  = 300              // of a window
	servesWithin  = 10 * time.Second // after it goes on
)

// TestFreeze: ClickHouse is frozen under traffic, as on a node that has no memory left
// or whose disk hangs. It serves again soon after it goes on, by itself or started anew,
// and every window is there once.
func TestFreeze(t *testing.T) {
	shapes := newUniverse(1, universeStacks).shapes(16, freezeStacks, profile.CPU)
	b := startBackend(t)
	history := minutes(24 * 60)
	stop := make(chan struct{})
	var next atomic.Int64
	var all sync.WaitGroup
	for range freezeSenders {
		client := b.client(t, asSidecars)
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				i := int(next.Add(1)) - 1
				untilTaken(t, client, encode(t, as(shapes[i%len(shapes)], target("shop", i%soakPods), history[i/soakPods%len(history)])))
			}
		})
	}
	time.Sleep(5 * time.Second) // of traffic
	before := b.taken(t)
	pid := b.clickhouse(t)
	if before == 0 || syscall.Kill(pid, syscall.SIGSTOP) != nil {
		t.Fatalf("process %d is not stopped, after %.0f windows", pid, before)
	}
	time.Sleep(*freeze)
	_ = syscall.Kill(pid, syscall.SIGCONT) // it may have been replaced
	thawed, stood := time.Now(), b.taken(t)
	for b.taken(t) == stood {
		if time.Since(thawed) > patience {
			t.Fatalf("no window is taken within %s", patience)
		}
		time.Sleep(50 * time.Millisecond)
	}
	took := time.Since(thawed)
	time.Sleep(10 * time.Second) // of traffic
	close(stop)
	all.Wait()
	if took > servesWithin {
		t.Errorf("the first window is taken after %s, later than %s", took, servesWithin)
	}
	life := b.health(t).Store.Ended
	if replaced := b.clickhouse(t) != pid; replaced != (life != nil) {
		t.Errorf("another process: %t, and health says that ClickHouse ended: %+v", replaced, life)
	}
	sent := next.Load()
	var stored struct {
		Stored profile.Amount `json:"stored"`
	}
	b.decode(t, fmt.Sprintf("/api/v1/coverage?cluster=default&namespace=shop&service=shop&type=cpu&from=%d&to=%d", history[0].Unix(), history[len(history)-1].Unix()+60), &stored)
	samples := int64(0)
	for i := range sent {
		samples += shapes[i%int64(len(shapes))].Coverage[0].Stored.Count
	}
	if stored.Stored.Count != samples {
		t.Errorf("%d samples are stored, want the %d of %d windows", stored.Stored.Count, samples, sent)
	}
	t.Logf("%.0f windows before, frozen for %s, the first one %s after it went on, %d windows in all; %s; ended: %+v", before, *freeze, took.Round(10*time.Millisecond), sent, outcomes(b.metrics(t)), life)
	t.Logf("on %s", machine())
}

// taken is how many windows were accepted.
func (b *backend) taken(t *testing.T) float64 {
	return b.metrics(t)[`podflame_ingest_windows_total{outcome="accepted",reason=""}`]
}

// clickhouse is the process of the ClickHouse inside.
func (b *backend) clickhouse(t *testing.T) int {
	t.Helper()
	for _, p := range b.processes(t) {
		if p.PID != b.process.Process.Pid {
			return p.PID
		}
	}
	t.Fatal("no process of ClickHouse")
	return 0
}
