package load

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

const (
	soakSenders = 16
	soakPods    = 100
	soakStacks  = 300 // of a window
	soakAsked   = 60  // minutes of history that are asked for: they are full soon, and no question grows with what is stored
	perSample   = "bytes on disk of a sample"
	// clickhouseSettles is how long ClickHouse takes to have as many merged parts, which it
	// keeps for 8 minutes and looks for ever more seldom, and as much of its program in
	// memory as it will have: what it has allocated grows until then, and not after it.
	clickhouseSettles = 25 * time.Minute
)

// TestSoak: a hundred pods for three quarters of an hour, with queries. What is kept for each
// upload or query would show as growth.
func TestSoak(t *testing.T) {
	shapes := newUniverse(1, universeStacks).shapes(16, soakStacks, profile.CPU)
	b := startBackend(t)
	ctx, cancel := context.WithTimeout(t.Context(), *soak)
	defer cancel()
	history := minutes(24 * 60)
	var next, failed atomic.Int64
	var all sync.WaitGroup
	for range soakSenders {
		client := b.client(t, patience)
		all.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				w := as(shapes[i%len(shapes)], target("shop", i%soakPods), history[i/soakPods%len(history)])
				if err := once(client, encode(t, w)); err != nil {
					failed.Add(1)
					t.Logf("failed: %v", err)
				}
			}
		})
	}
	query := fmt.Sprintf("/api/v1/flame?cluster=default&namespace=shop&service=shop&type=cpu&from=%d&to=%d", history[0].Unix(), history[soakAsked].Unix())
	read := watch(t, ctx, func(t *testing.T) map[string]float64 {
		if err := b.get(people, query); err != nil {
			t.Errorf("query: %v", err)
		}
		values := b.state(t)
		values[perSample] = values[disk] * (1 << 20) / float64(max(next.Load(), 1)*soakStacks)
		return values
	})
	all.Wait()
	sent := int(next.Load())
	b.report(t, sent, sent*soakStacks, fmt.Sprintf("%d at a time for %s; %d failed", soakSenders, *soak, failed.Load()))
	if failed.Load() > 0 {
		t.Errorf("%d windows failed", failed.Load())
	}
	flat(t, since(read, *soak/3), goroutines, descriptors, resident, perSample)
	flat(t, since(read, max(*soak/3, clickhouseSettles)), clickhouse)
}
