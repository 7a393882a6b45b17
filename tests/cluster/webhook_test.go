package cluster

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podflame/podflame/tests/cluster/kube"
	"github.com/podflame/podflame/tests/internal/freeport"
	"github.com/podflame/podflame/tests/internal/keep"
)

// webhookAccount is the ServiceAccount whose token the replicas use.
const webhookAccount = "podflame-webhook"

// replica is one process of the webhook.
type replica struct {
	*kube.Process
	endpoint string // host:port of the webhook
	metrics  string // URL
	health   string // URL
}

// startWebhook starts replicas as the Deployment describes them, waits until
// they are ready, and makes them the endpoints of the Service. Further flags
// come after those of the Deployment. They end with the test.
func startWebhook(t testing.TB, count int, flags ...string) []*replica {
	t.Helper()
	var replicas []*replica
	for range count {
		replicas = append(replicas, startReplica(t, flags...))
	}
	for _, r := range replicas {
		r.awaitReady(t)
	}
	serve(t, replicas...)
	return replicas
}

// serve makes replicas the endpoints of the Service until the test ends.
func serve(t testing.TB, replicas ...*replica) {
	var endpoints []string
	for _, r := range replicas {
		endpoints = append(endpoints, r.endpoint)
	}
	shared.service.set(endpoints...)
	t.Cleanup(func() { shared.service.set() })
}

// startReplica starts a process and does not wait.
func startReplica(t testing.TB, flags ...string) *replica {
	t.Helper()
	ctx := testContext(t)
	directory := t.TempDir()
	kubeconfig := filepath.Join(directory, "kubeconfig")
	if err := shared.KubeconfigAs(ctx, kubeconfig, systemNamespace, webhookAccount); err != nil {
		t.Fatal(err)
	}
	arguments, environment, err := shared.environment(ctx, "podflame-webhook")
	if err != nil {
		t.Fatal(err)
	}
	ports := freePorts(t, 3)
	arguments = append(arguments,
		fmt.Sprintf("--port=%d", ports[0]),
		fmt.Sprintf("--metrics-address=127.0.0.1:%d", ports[1]),
		fmt.Sprintf("--health-address=127.0.0.1:%d", ports[2]),
		"--drain=1s", "--lease=15s")
	environment = append(environment, "KUBECONFIG="+kubeconfig, "TMPDIR="+directory)
	process, err := shared.Launcher.Start("webhook", directory, environment, shared.program, append(arguments, flags...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Signal(syscall.SIGCONT)    // a test may have stopped it
		if err := process.Stop(); err != nil { // in order, which gives up the lease
			t.Error(err)
		}
		keep.Logs(t, process.LogPath)
	})
	return &replica{
		Process:  process,
		endpoint: fmt.Sprintf("127.0.0.1:%d", ports[0]),
		metrics:  fmt.Sprintf("http://127.0.0.1:%d", ports[1]),
		health:   fmt.Sprintf("http://127.0.0.1:%d", ports[2]),
	}
}

// awaitReady waits for /readyz, as kubelet does before it makes a pod an
// endpoint.
func (r *replica) awaitReady(t testing.TB) {
	t.Helper()
	eventually(t, "webhook ready", func(ctx context.Context) (bool, string) {
		select {
		case <-r.Ended():
			t.Fatal(r.Failure())
		default:
		}
		code, body, err := fetch(ctx, r.health+"/readyz")
		return code == http.StatusOK, fmt.Sprintf("%d %s %v", code, body, err)
	})
}

// awaitLeader waits until one of the replicas leads: the one that manages the
// certificates.
func awaitLeader(t testing.TB, replicas []*replica) {
	t.Helper()
	eventually(t, "a leader among the replicas", func(context.Context) (bool, string) {
		leaders := 0.0
		for _, r := range replicas {
			leaders += r.metric(t, `leader_election_master_status{name="podflame-webhook"}`)
		}
		return leaders == 1, fmt.Sprint(leaders)
	})
}

// fetch gets a URL; the body is read up to 16 MiB.
func fetch(ctx context.Context, url string) (code int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, fmt.Errorf("get %s: %w", url, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, fmt.Errorf("get %s: %w", url, err)
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, 16<<20))
	return response.StatusCode, bytes.TrimSpace(body), err
}

func freePorts(t testing.TB, count int) []int {
	t.Helper()
	ports, err := freeport.Choose(count)
	if err != nil {
		t.Fatal(err)
	}
	return ports
}

// metric reads one sample of /metrics; 0 if it is not there.
func (r *replica) metric(t testing.TB, sample string) float64 {
	t.Helper()
	for name, value := range r.samples(t) {
		if name == sample {
			return value
		}
	}
	return 0
}

// decisions is how many requests the replica has decided on.
func (r *replica) decisions(t testing.TB) int {
	t.Helper()
	total := 0.0
	for name, value := range r.samples(t) {
		if strings.HasPrefix(name, "podflame_webhook_decisions_total{") {
			total += value
		}
	}
	return int(total)
}

func (r *replica) samples(t testing.TB) map[string]float64 {
	t.Helper()
	code, body, err := fetch(testContext(t), r.metrics+"/metrics")
	if err != nil || code != http.StatusOK {
		t.Fatalf("read metrics: %d, %v", code, err)
	}
	found := map[string]float64{}
	for line := range strings.Lines(string(body)) {
		name, text, ok := strings.Cut(strings.TrimSpace(line), "} ")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatalf("read metric %q: %v", line, err)
		}
		found[name+"}"] = value
	}
	return found
}
