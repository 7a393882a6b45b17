package load

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

// upload sends bodies with so many at a time, each until it is taken if again is
// set, and returns how many failed at the first try.
func upload(t *testing.T, b *backend, atATime int, timeout time.Duration, bodies <-chan []byte, again bool) (sent int, failed int64) {
	var all sync.WaitGroup
	var total, refused atomic.Int64
	for range atATime {
		client := b.client(t, timeout)
		all.Go(func() {
			for body := range bodies {
				total.Add(1)
				err := once(client, body)
				if err != nil {
					if refused.Add(1) <= 10 {
						t.Logf("refused: %v", err)
					}
				}
				for deadline := time.Now().Add(patience); again && err != nil; err = once(client, body) {
					if time.Now().After(deadline) {
						t.Errorf("not taken within %s: %v", patience, err)
						break
					}
					time.Sleep(time.Second)
				}
			}
		})
	}
	all.Wait()
	return int(total.Load()), refused.Load()
}

func feed(bodies [][]byte) <-chan []byte {
	c := make(chan []byte, len(bodies))
	for _, b := range bodies {
		c <- b
	}
	close(c)
	return c
}

// TestThroughput: 10 uploads at a time of windows with 3,300 stacks, most of which
// are known after the first minutes.
func TestThroughput(t *testing.T) {
	u := newUniverse(1, universeStacks)
	const podCount, each = 10, 40
	var warm, bodies [][]byte
	for i, start := range minutes(each + 4) {
		for pod := range podCount {
			body := encode(t, u.window(target("shop", pod), start, windowStacks))
			if i < 4 {
				warm = append(warm, body)
			} else {
				bodies = append(bodies, body)
			}
		}
	}
	b := startBackend(t)
	upload(t, b, 10, asSidecars, feed(warm), true)
	b.settle(t)
	b.begin(t)
	sent, failed := upload(t, b, 10, asSidecars, feed(bodies), true)
	b.report(t, sent, sent*windowStacks, "10 at a time")
	if failed > 0 {
		t.Errorf("%d of %d were refused at first", failed, sent)
	}
}

// TestBurst: 400 pods send at the same moment.
func TestBurst(t *testing.T) {
	u := newUniverse(1, universeStacks)
	var bodies [][]byte
	start := minutes(1)[0]
	for pod := range 400 {
		bodies = append(bodies, encode(t, u.window(target("shop", pod), start, windowStacks)))
	}
	b := startBackend(t)
	b.settle(t)
	b.begin(t)
	sent, failed := upload(t, b, len(bodies), asSidecars, feed(bodies), true)
	took := time.Since(b.began)
	b.report(t, sent, sent*windowStacks, "all at once")
	t.Logf("%d of %d were refused at first", failed, sent)
	if took > 10*time.Second {
		t.Errorf("took %s, longer than 10 s", took)
	}
}

// TestManyWindows: no window fails on a backend that nobody disturbs, and the first are
// known after all the others. A machine that is slow is not what is looked for, so nobody
// gives up early.
func TestManyWindows(t *testing.T) {
	b := startBackend(t, "--insert-timeout=100s")
	shapes := newUniverse(1, 2_000).shapes(16, 20, profile.CPU)
	bodies := make(chan []byte, 64)
	const podCount, again = 250, 100
	var first [][]byte
	go func() {
		defer close(bodies)
		for i, start := range minutes(*windows/podCount + 1) {
			for pod := range min(podCount, *windows-i*podCount) {
				body := encode(t, as(shapes[pod%len(shapes)], target("shop", pod), start))
				if bodies <- body; len(first) < again {
					first = append(first, body)
				}
			}
		}
	}()
	b.begin(t)
	sent, failed := upload(t, b, 200, patience, bodies, false)
	b.report(t, sent, sent*20, "200 at a time")
	if failed > 0 {
		t.Errorf("%d of %d failed", failed, sent)
	}
	client := b.client(t, patience)
	for i, body := range first {
		if receipt, err := client.Window(t.Context(), body); err != nil || receipt.Status != "duplicate" || receipt.Reason != "" {
			t.Errorf("window %d again, after %d others: %+v, %v; want a duplicate", i, sent-1, receipt, err)
		}
	}
}

var quiet = slog.New(slog.DiscardHandler)
