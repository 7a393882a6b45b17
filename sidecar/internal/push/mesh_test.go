package push

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/podflame/podflame/sidecar/internal/spool"
)

// The addresses of a pod in a mesh: what does not go to 127.0.0.1 is redirected
// to the proxy, but for what the proxy itself sends, which has a mark here and a
// user of its own in a pod.
const (
	meshBackend = "127.0.0.2:8443"
	meshProxy   = "127.0.0.1:15001"
	meshMark    = 1337
)

// TestUploadInAMesh runs in a network namespace with the redirect rules of Istio
// and Linkerd, in a process of its own.
func TestUploadInAMesh(t *testing.T) {
	if os.Getenv("PODFLAME_TEST_MESH") != "" {
		t.Run("port left alone", withoutProxy)
		t.Run("captured", whileCaptured)
		return
	}
	const rules = `ip link set lo up && iptables -w 60 -t nat -N MESH &&
iptables -w 60 -t nat -A MESH -m mark --mark 1337 -j RETURN &&
iptables -w 60 -t nat -A MESH -d 127.0.0.1/32 -j RETURN &&
iptables -w 60 -t nat -A MESH -p tcp -j REDIRECT --to-ports 15001 &&
iptables -w 60 -t nat -A OUTPUT -p tcp -j MESH`
	if output, err := exec.Command("unshare", "--net", "sh", "-c", rules).CombinedOutput(); err != nil {
		t.Skipf("no network namespace with redirect rules can be made here: %v: %s", err, output)
	}
	child := exec.Command("unshare", "--net", "--kill-child", "--fork", "sh", "-c", rules+` && exec "$0" -test.run='^TestUploadInAMesh$' -test.v`, os.Args[0])
	child.Env = append(os.Environ(), "PODFLAME_TEST_MESH=1")
	output, err := child.CombinedOutput()
	t.Logf("%s", output)
	if err != nil {
		t.Error(err)
	}
}

// leaveAlone is what excludeOutboundPorts of Istio and skip-outbound-ports of
// Linkerd come to, as the webhook sets them.
func leaveAlone(t *testing.T, change string) {
	t.Helper()
	if output, err := exec.CommandContext(t.Context(), "iptables", "-w", "60", "-t", "nat", change, "MESH", "-p", "tcp", "--dport", "8443", "-j", "RETURN").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
}

// withoutProxy: the proxy is not there, as before it is ready and after it has
// ended, and all bytes of all windows arrive.
func withoutProxy(t *testing.T) {
	leaveAlone(t, "-I")
	defer leaveAlone(t, "-D")
	pod := newMeshPod(t)
	sent := pod.put(t, 3)
	pod.drain(t)
	pod.received(t, sent)
}

// whileCaptured: what the proxy captures waits in the spool while there is none,
// and goes on with it.
func whileCaptured(t *testing.T) {
	pod := newMeshPod(t)
	sent := pod.put(t, 2)
	pod.refused(t, 2)

	proxy := startProxy(t)
	pod.drain(t)
	pod.received(t, sent)
	proxy.stop()

	last := pod.put(t, 1)
	pod.refused(t, 1) // and would be lost with the pod
	leaveAlone(t, "-I")
	defer leaveAlone(t, "-D")
	pod.drain(t)
	pod.received(t, append(sent, last...))
}

// meshPod is a sidecar and the backend, both in one network namespace.
type meshPod struct {
	spool  *spool.Spool
	client *Client
	config Config
	round  int

	mu     sync.Mutex
	bodies [][]byte // that the backend has
}

func newMeshPod(t *testing.T) *meshPod {
	t.Helper()
	pod := &meshPod{spool: newSpool(t, 0), config: DefaultConfig()}
	listener, err := net.Listen("tcp", meshBackend)
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: pod}}
	server.Start()
	t.Cleanup(server.Close)
	pod.config.URL, pod.config.MinWait, pod.config.MaxWait = server.URL, time.Millisecond, time.Millisecond
	pod.config.Timeout = time.Minute // a slow machine is not what is tested
	pod.client = newClient(t, pod.config)
	return pod
}

func (p *meshPod) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	p.bodies = append(p.bodies, body)
	p.mu.Unlock()
	_, _ = io.WriteString(w, `{"id":"00112233445566778899aabbccddeeff","status":"accepted","stored":{},"truncated":{}}`)
}

// put puts windows into the spool, and returns the bytes of all that wait there.
func (p *meshPod) put(t *testing.T, windows int) [][]byte {
	t.Helper()
	for range windows {
		if err := p.spool.Put(t.Context(), window(p.round)); err != nil {
			t.Fatal(err)
		}
		p.round++
	}
	var bodies [][]byte
	seen := map[string]bool{}
	for {
		entry, ok := p.spool.Next(func(e spool.Entry) bool { return seen[e.Name] })
		if !ok {
			return bodies
		}
		seen[entry.Name] = true
		body, err := p.spool.Body(entry)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, body)
	}
}

func (p *meshPod) drain(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	NewPusher(p.spool, p.client, p.config, slog.New(slog.DiscardHandler), prometheus.NewRegistry()).Drain(ctx)
	if left := p.spool.Stats().Windows; left != 0 {
		t.Fatalf("%d windows are left", left)
	}
}

// refused demands that an upload finds nobody, and that all windows stay.
func (p *meshPod) refused(t *testing.T, waiting int) {
	t.Helper()
	var failed *Error
	if _, err := p.client.Window(t.Context(), []byte("x")); !errors.As(err, &failed) || failed.Class != Unavailable || failed.Status != 0 {
		t.Fatalf("an upload without the proxy: %v", err)
	}
	if left := p.spool.Stats().Windows; left != waiting {
		t.Fatalf("%d windows wait, want %d", left, waiting)
	}
}

func (p *meshPod) received(t *testing.T, want [][]byte) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.bodies) != len(want) {
		t.Fatalf("the backend has %d windows, want %d", len(p.bodies), len(want))
	}
	for i := range want {
		if !bytes.Equal(p.bodies[i], want[i]) {
			t.Errorf("window %d: %d bytes arrived of %d", i, len(p.bodies[i]), len(want[i]))
		}
	}
}

// proxy passes on what the rules lead to it.
type proxy struct {
	listener net.Listener
	work     sync.WaitGroup

	mu    sync.Mutex
	ended bool
	open  []net.Conn
}

func startProxy(t *testing.T) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", meshProxy)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener}
	p.work.Go(func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			p.pass(from)
		}
	})
	t.Cleanup(p.stop)
	return p
}

func (p *proxy) pass(from net.Conn) {
	marked := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		failed := raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_MARK, meshMark) })
		return errors.Join(failed, err)
	}}
	to, err := marked.DialContext(context.Background(), "tcp", meshBackend)
	if err != nil {
		from.Close()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		from.Close()
		to.Close()
		return
	}
	p.open = append(p.open, from, to)
	p.work.Go(func() { _, _ = io.Copy(to, from); to.Close() })
	p.work.Go(func() { _, _ = io.Copy(from, to); from.Close() })
}

// stop ends the proxy with its connections.
func (p *proxy) stop() {
	p.listener.Close()
	p.mu.Lock()
	p.ended = true
	for _, conn := range p.open {
		conn.Close()
	}
	p.mu.Unlock()
	p.work.Wait()
}
