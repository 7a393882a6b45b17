package cluster

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/backend/profile/profiletest"
)

// uploads sends windows of pods as their sidecars would: again and again until
// each is stored.
type uploads struct {
	backend *backend
	token   func(ctx context.Context, pod *corev1.Pod) (string, error)

	stored    atomic.Int64
	crowded   atomic.Int64 // answers 429
	postponed atomic.Int64 // answers that nobody can say who is calling

	mu       sync.Mutex
	failures []string // what a sidecar may never hear
}

// longestWait shortens what the backend asks for, as nobody wants to wait.
const longestWait = 500 * time.Millisecond

// put uploads a window until it is stored.
func (u *uploads) put(ctx context.Context, pod *corev1.Pod, w *profile.Window) {
	body, err := profile.Encode(w)
	if err != nil {
		u.fail("encode: %v", err)
		return
	}
	for ctx.Err() == nil {
		token, err := u.token(ctx, pod)
		if err != nil {
			u.fail("token of %s: %v", pod.Name, err)
			return
		}
		response, answer, err := u.backend.send(ctx, token, "/api/v1/windows", profile.ContentType, body)
		switch {
		case err != nil:
			u.fail("upload of %s: %v", pod.Name, err)
			return
		case response.StatusCode == http.StatusOK:
			u.stored.Add(1)
			return
		case response.StatusCode != http.StatusServiceUnavailable && response.StatusCode != http.StatusTooManyRequests:
			u.fail("upload of %s: %d %s", pod.Name, response.StatusCode, answer)
			return
		}
		switch reasonOf(answer) {
		case string(profile.ReviewUnavailable):
			u.postponed.Add(1)
		default:
			u.crowded.Add(1)
		}
		seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
		if err != nil || seconds < 1 {
			u.fail("answer %d says Retry-After %q", response.StatusCode, response.Header.Get("Retry-After"))
			return
		}
		select {
		case <-time.After(min(time.Duration(seconds)*time.Second, longestWait)):
		case <-ctx.Done():
		}
	}
	u.fail("window of %s is not stored: %v", pod.Name, ctx.Err())
}

func (u *uploads) fail(format string, args ...any) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.failures = append(u.failures, fmt.Sprintf(format, args...))
}

// finish demands that nothing failed and that the backend has each window once.
func (u *uploads) finish(t *testing.T, want int64) {
	t.Helper()
	if n := len(u.failures); n > 0 {
		t.Errorf("%d failures, such as %s", n, u.failures[0])
	}
	if u.stored.Load() != want {
		t.Errorf("%d windows are acknowledged, want %d", u.stored.Load(), want)
	}
	if n := u.backend.metric(t, `podflame_ingest_windows_total{outcome="accepted",reason=""}`); int64(n) != want {
		t.Errorf("the backend has taken %v windows, want %d", n, want)
	}
	t.Logf("%d windows stored, %d times asked to come again for the API server, %d times for the crowd", u.stored.Load(), u.postponed.Load(), u.crowded.Load())
}

// smallWindow is a window of a pod that costs little to store: of the round's
// minute before the latest, which is the same for the whole test.
func smallWindow(pod *corev1.Pod, latest time.Time, round int) *profile.Window {
	target := profiletest.Target("small", pod.Name)
	target.Namespace, target.PodUID = pod.Namespace, string(pod.UID)
	start := latest.UTC().Truncate(time.Minute).Add(-time.Duration(round+2) * time.Minute)
	return profiletest.Window(profiletest.Options{Seed: uint64(round), Start: start, Target: target, Stacks: 2})
}

// pods creates pods in a namespace that is not profiled: their sidecars are the
// test's.
func pods(t *testing.T, namespace string, count int) []*corev1.Pod {
	t.Helper()
	list := make([]*corev1.Pod, count)
	for i := range list {
		pod, err := shared.Client.CoreV1().Pods(namespace).Create(testContext(t), plainPod(fmt.Sprint("pod-", i)), metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		list[i] = pod
	}
	return list
}

// cable leads connections to the API server until it is cut.
type cable struct {
	net.Listener
	to string

	mu   sync.Mutex
	cut  bool
	open map[net.Conn]bool
}

func newCable(t *testing.T, to string) *cable {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{Listener: listener, to: to, open: map[net.Conn]bool{}}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			done.Go(func() { c.lead(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		c.set(true)
		done.Wait()
	})
	return c
}

func (c *cable) lead(from net.Conn) {
	defer from.Close()
	to, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer to.Close()
	c.mu.Lock()
	if c.cut {
		c.mu.Unlock()
		return
	}
	c.open[from], c.open[to] = true, true
	c.mu.Unlock()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
		both.Go(func() {
			_, _ = io.Copy(way[1], way[0])
			_ = way[0].Close()
			_ = way[1].Close()
		})
	}
	both.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, from)
	delete(c.open, to)
}

// set cuts the cable or mends it.
func (c *cable) set(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = cut
	if cut {
		for conn := range c.open {
			_ = conn.Close()
		}
	}
}

// sidecarsOfAnOutage write while the API server is away.
const sidecarsOfAnOutage = 200

// TestAPIServerAwayWhileSidecarsWrite cuts the backend off the API server for
// longer than it remembers tokens. Nobody is refused: all are asked to come
// again, and everything is stored, once.
func TestAPIServerAwayWhileSidecarsWrite(t *testing.T) {
	startWebhook(t, 1)
	namespace := newNamespace(t, "outage", nil)
	api, err := url.Parse(shared.Config.Host)
	if err != nil {
		t.Fatal(err)
	}
	wire := newCable(t, api.Host)
	b := startBackend(t, "--kubernetes-api=https://"+wire.Addr().String(), "--remember-token=1s", "--review-timeout=2s")
	all := pods(t, namespace, sidecarsOfAnOutage)
	tokens := make(map[string]string, len(all))
	for _, pod := range all {
		tokens[pod.Name] = podToken(t, pod)
	}
	u := &uploads{backend: b, token: func(_ context.Context, pod *corev1.Pod) (string, error) { return tokens[pod.Name], nil }}
	begin := time.Now()
	round := func(number int) *sync.WaitGroup {
		var writing sync.WaitGroup
		for _, pod := range all {
			writing.Go(func() { u.put(testContext(t), pod, smallWindow(pod, begin, number)) })
		}
		return &writing
	}
	round(0).Wait()
	wire.set(true)
	time.Sleep(1100 * time.Millisecond) // until the backend has forgotten what it was told
	writing := round(1)
	eventually(t, "every sidecar has been asked to come again", func(context.Context) (bool, string) {
		return u.postponed.Load() >= 2*sidecarsOfAnOutage, fmt.Sprint(u.postponed.Load())
	})
	if u.stored.Load() != sidecarsOfAnOutage {
		t.Errorf("%d windows are stored while nobody can say whose they are", u.stored.Load()-sidecarsOfAnOutage)
	}
	if n := b.metric(t, fmt.Sprintf(`podflame_ingest_windows_total{outcome="retryable",reason=%q}`, profile.ReviewUnavailable)); n < sidecarsOfAnOutage {
		t.Errorf("%v uploads are counted as put off", n)
	}
	wire.set(false)
	writing.Wait()
	u.finish(t, 2*sidecarsOfAnOutage)
}
