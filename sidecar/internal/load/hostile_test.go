package load

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

// maxBackendMemory is what the process of the backend may take.
const maxBackendMemory = 512 // MiB

// hostile are windows at the limits in each direction.
func hostile() map[string]func(pod int) *profile.Window {
	return map[string]func(pod int) *profile.Window{
		"deep":  func(pod int) *profile.Window { return shaped(pod, 8_000, 2_000, 5, 40) },
		"wide":  func(pod int) *profile.Window { return shaped(pod, 49_000, 60, 40, 40) },
		"apart": func(pod int) *profile.Window { return shaped(pod, 10_000, 300, 300, 40) },
		"names": func(pod int) *profile.Window { return shaped(pod, 10_000, 20, 10, 3_000) },
	}
}

func honest(pod int) *profile.Window { return shaped(pod, 3_300, 60, 20, 40) }

// TestHostileUploads: 32 uploads at a time, of windows at the limits in one direction,
// and then in all of them with queries at their limits beside. The backend stays within
// its memory; those of another sender are taken at the first try, and whoever asks for
// them is answered.
func TestHostileUploads(t *testing.T) {
	b := startBackend(t)
	shapes := hostile()
	shapes["honest"] = honest
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			var bodies [][]byte
			for i, start := range minutes(2) {
				for pod := range 32 {
					bodies = append(bodies, encode(t, as(shape(1000*i+pod), target(name, 1000*i+pod), start))) // of its own, or it would be taken for another shape's
				}
			}
			b.begin(t)
			sent, refused := upload(t, b, 32, asSidecars, feed(bodies), false)
			b.report(t, sent, 0, fmt.Sprintf("32 at a time, the largest of %d bytes; %d refused; heap in use %.0f MiB", largest(bodies), refused, b.metrics(t)["go_memstats_heap_inuse_bytes"]/(1<<20)))
			b.withinMemory(t)
		})
	}
	t.Run("all at once", func(t *testing.T) { allAtOnce(t, b) })
}

func largest(bodies [][]byte) (bytes int) {
	for _, body := range bodies {
		bytes = max(bytes, len(body))
	}
	return bytes
}

func (b *backend) withinMemory(t *testing.T) {
	t.Helper()
	if ours, _ := b.peaks(t); ours > maxBackendMemory {
		t.Errorf("the backend took %d MiB, more than %d", ours, maxBackendMemory)
	}
}

func allAtOnce(t *testing.T, b *backend) {
	var bodies [][]byte
	start := minutes(4)[0]
	for pod := range 32 {
		for _, name := range slices.Sorted(maps.Keys(hostile())) {
			bodies = append(bodies, encode(t, as(hostile()[name](5000+pod), target(name, 5000+pod), start)))
		}
	}
	another := &sender{backend: b, client: clientFrom("127.0.0.2")} // those that show no token are told apart by their address
	another.send(t, start)
	b.begin(t)
	ended := make(chan struct{})
	var sent int
	var refused int64
	go func() {
		defer close(ended)
		sent, refused = upload(t, b, 32, asSidecars, feed(bodies), false)
	}()
	var beside sync.WaitGroup
	until := func(work func()) {
		beside.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
					work()
				}
			}
		})
	}
	until(func() { another.send(t, start) })
	answers := 0
	until(func() {
		if err := b.get(people, flameOf("another", start)); err != nil {
			t.Errorf("the flame graph of another: %v", err)
		}
		answers++
	})
	var mu sync.Mutex
	told := map[int]int{} // answers to who asks for what was sent, by status
	for name := range hostile() {
		until(func() {
			status := b.ask(t, flameOf(name, start))
			mu.Lock()
			defer mu.Unlock()
			told[status]++
		})
	}
	beside.Wait()
	b.report(t, sent, 0, fmt.Sprintf("%d refused; of another %d windows, the slowest after %s, and %d answers; answers about what was sent, by status: %v",
		refused, another.sent, another.slowest.Round(time.Millisecond), answers, told))
	b.withinMemory(t)
}

// sender sends honest windows one after the other, each of a pod of its own.
type sender struct {
	backend *backend
	client  *http.Client
	sent    int
	slowest time.Duration
}

func (s *sender) send(t *testing.T, start time.Time) {
	body := encode(t, as(honest(6000+s.sent), target("another", 6000+s.sent), start))
	began := time.Now()
	response, err := s.client.Post(s.backend.url(sidecars)+"/api/v1/windows", profile.ContentType, bytes.NewReader(body))
	s.sent, s.slowest = s.sent+1, max(s.slowest, time.Since(began))
	if err != nil {
		t.Errorf("a window of another: %v", err)
		return
	}
	defer response.Body.Close()
	if text, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusOK {
		t.Errorf("a window of another is answered %s %s", response.Status, text)
	}
}

// clientFrom sends from an address of this host, and waits as long as sidecars do.
func clientFrom(address string) *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	return &http.Client{Timeout: asSidecars, Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, to)
		},
	}}
}

// flameOf asks for the largest graph that may be asked for.
func flameOf(namespace string, start time.Time) string {
	return fmt.Sprintf("/api/v1/flame?cluster=default&namespace=%s&service=shop&type=cpu&from=%d&to=%d&nodes=262144", namespace, start.Unix()-600, start.Unix()+60)
}

// ask returns the status of an answer, which is read to its end. The backend may have no
// room for it, and says so.
func (b *backend) ask(t *testing.T, path string) int {
	response, err := http.Get(b.url(people) + path)
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return 0
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Errorf("%s: %v", path, err)
	}
	switch response.StatusCode {
	case http.StatusOK, http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusTooManyRequests, http.StatusServiceUnavailable:
	default:
		t.Errorf("%s is %s", path, response.Status)
	}
	return response.StatusCode
}

// shaped is the shape of a window, for as, with many stacks that have all but some
// frames in common.
func shaped(pod, stacks, depth, own, name int) *profile.Window {
	b := profile.NewBuilder(profile.CPU, profile.Limits{})
	common := make([]uint32, depth)
	for i := range common {
		common[i] = b.Function(fmt.Sprintf("a.Common%0*d.call", name, i), profile.Java)
	}
	others := make([]uint32, 997)
	for i := range others {
		others[i] = b.Function(fmt.Sprintf("b.Other%0*d.call", name, 1000*pod+i), profile.Java)
	}
	for i := range stacks {
		frames := common
		for j := range own {
			frames[depth-1-j] = others[(i/((j+1)*(j+1))+j*31)%len(others)]
		}
		b.Add(frames, profile.Amount{Value: 1e7, Count: 1})
	}
	set, coverage := b.Build()
	return &profile.Window{Sets: []profile.StackSet{set}, Coverage: []profile.Coverage{coverage}}
}
