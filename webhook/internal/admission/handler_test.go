package admission

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/webhook/internal/inject"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// namespacesFunc answers instead of a cluster.
type namespacesFunc func(ctx context.Context, name string, _ *corev1.Pod) (*inject.Namespace, error)

func (f namespacesFunc) Namespace(ctx context.Context, name string, pod *corev1.Pod) (*inject.Namespace, error) {
	return f(ctx, name, pod)
}

func anyNamespace(_ context.Context, name string, _ *corev1.Pod) (*inject.Namespace, error) {
	return &inject.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, nil
}

// reports collects what was reported.
type reports struct {
	mu   sync.Mutex
	made []inject.Decision
}

func (r *reports) Report(_ *corev1.Pod, _ string, decision inject.Decision) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.made = append(r.made, decision)
}

// fixture is a webhook behind a real TLS server.
type fixture struct {
	testing.TB
	server  *httptest.Server
	metrics *Metrics
	reports *reports
	log     *bytes.Buffer
}

func injectConfig(t testing.TB) inject.Config {
	t.Helper()
	config := inject.DefaultConfig()
	config.Image, config.Backend, config.Cluster, config.ServerVersion = "registry.example/sidecar:1", "https://backend.example", "test", "1.34.4"
	if err := config.Validate(); err != nil {
		t.Fatal(err)
	}
	return config
}

func newFixture(t testing.TB, adjust ...func(*Options)) *fixture {
	t.Helper()
	f := &fixture{TB: t, metrics: NewMetrics(prometheus.NewRegistry()), reports: &reports{}, log: &bytes.Buffer{}}
	options := Options{
		Inject: injectConfig(t), Timeout: 10 * time.Second, MaxInFlight: 8,
		Namespaces: namespacesFunc(anyNamespace), Reporter: f.reports, Metrics: f.metrics,
		Log: slog.New(slog.NewTextHandler(&lockedWriter{to: f.log}, nil)),
	}
	for _, change := range adjust {
		change(&options)
	}
	f.server = httptest.NewUnstartedServer(New(scheme.Scheme, options))
	f.server.EnableHTTP2 = true // as API servers call
	f.server.StartTLS()
	t.Cleanup(f.server.Close)
	return f
}

type lockedWriter struct {
	mu sync.Mutex
	to io.Writer
}

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(p)
}

func (f *fixture) send(method, contentType string, body []byte) (status int, answer []byte) {
	f.Helper()
	request, err := http.NewRequestWithContext(context.Background(), method, f.server.URL+Path, bytes.NewReader(body))
	if err != nil {
		f.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	response, err := f.server.Client().Do(request)
	if err != nil {
		f.Fatal(err)
	}
	defer response.Body.Close()
	if answer, err = io.ReadAll(response.Body); err != nil {
		f.Fatal(err)
	}
	return response.StatusCode, answer
}

// review sends an AdmissionReview and returns its answer, whose UID must be the
// request's: an API server takes no other.
func (f *fixture) review(body []byte) *admissionv1.AdmissionResponse {
	f.Helper()
	status, answer := f.send(http.MethodPost, "application/json", body)
	var review admissionv1.AdmissionReview
	if err := json.Unmarshal(answer, &review); err != nil || status != http.StatusOK || review.Response == nil {
		f.Fatalf("status %d, %v: %s", status, err, answer)
	}
	if review.Response.UID != "request-1" {
		f.Errorf("answer to request %q", review.Response.UID)
	}
	return review.Response
}

func (f *fixture) count(reason inject.Reason, dryRun string) float64 {
	return testutil.ToFloat64(f.metrics.decisions.WithLabelValues(string(reason), dryRun))
}

// creation is an AdmissionReview of the creation of an object, as JSON. Changes
// are made to the request's fields.
func creation(t testing.TB, object any, changes ...func(map[string]any)) []byte {
	t.Helper()
	request := map[string]any{
		"uid":       "request-1",
		"kind":      map[string]string{"group": "", "version": "v1", "kind": "Pod"},
		"resource":  map[string]string{"group": "", "version": "v1", "resource": "pods"},
		"namespace": "shop", "operation": "CREATE", "object": object,
		"userInfo": map[string]any{"username": "system:serviceaccount:kube-system:replicaset-controller"},
	}
	for _, change := range changes {
		change(request)
	}
	body, err := json.Marshal(map[string]any{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func set(field string, value any) func(map[string]any) {
	return func(request map[string]any) { request[field] = value }
}

// podJSON is a pod that asks for profiling, with a field that no version of our
// types knows.
func podJSON(annotations map[string]string) map[string]any {
	return map[string]any{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{
			"generateName": "cart-5d4f-", "annotations": annotations,
			"ownerReferences": []any{map[string]any{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "cart-5d4f", "uid": "u", "controller": true}},
		},
		"spec": map[string]any{
			"fromTheFuture": map[string]any{"kept": true},
			"containers": []any{map[string]any{
				"name": "app", "image": "shop/cart:1.2", "alsoFromTheFuture": "kept",
				"securityContext": map[string]any{"runAsUser": 1000, "runAsGroup": 1000},
			}},
		},
	}
}

func asking(more ...string) map[string]any {
	annotations := map[string]string{contract.Enabled: "true"}
	for i := 0; i < len(more); i += 2 {
		annotations[more[i]] = more[i+1]
	}
	return podJSON(annotations)
}

// patched applies the patch of an answer.
func patched(t testing.TB, object any, response *admissionv1.AdmissionResponse) map[string]any {
	t.Helper()
	raw, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	if response.Patch != nil {
		patch, err := jsonpatch.DecodePatch(response.Patch)
		if err != nil {
			t.Fatal(err)
		}
		if raw, err = patch.Apply(raw); err != nil {
			t.Fatal(err)
		}
	}
	var result map[string]any
	if err := json.Unmarshal(raw, &result); err != nil {
		t.Fatal(err)
	}
	return result
}

func typed(t testing.TB, object any) *corev1.Pod {
	t.Helper()
	raw, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	var pod corev1.Pod
	if err := json.Unmarshal(raw, &pod); err != nil {
		t.Fatal(err)
	}
	return &pod
}

func TestPodGetsTheSidecar(t *testing.T) {
	f := newFixture(t)
	pod := asking(contract.Window, "1x")
	response := f.review(creation(t, pod))
	if !response.Allowed {
		t.Fatalf("denied: %v", response.Result)
	}
	result := patched(t, pod, response)
	if !inject.HasSidecar(typed(t, result)) {
		t.Fatalf("no sidecar: %s", response.Patch)
	}
	spec := result["spec"].(map[string]any)
	if spec["fromTheFuture"] == nil || spec["containers"].([]any)[0].(map[string]any)["alsoFromTheFuture"] != "kept" {
		t.Error("a field that our types do not know was lost")
	}
	status, ok := inject.StatusOf(typed(t, result))
	if !ok || !status.Injected || status.Reason != inject.Injected {
		t.Errorf("status annotation %+v", status)
	}
	if len(response.Warnings) != 1 || !strings.Contains(response.Warnings[0], string(inject.InvalidAnnotation)) {
		t.Errorf("warnings %q", response.Warnings)
	}
	if len(f.reports.made) != 1 || f.reports.made[0].Reason() != inject.Injected {
		t.Errorf("%d reports", len(f.reports.made))
	}
	if f.count(inject.Injected, "false") != 1 || testutil.ToFloat64(f.metrics.warnings.WithLabelValues(string(inject.InvalidAnnotation))) != 1 {
		t.Error("not counted by reason")
	}

	again := f.review(creation(t, result))
	if !again.Allowed || again.Patch != nil || f.count(inject.AlreadyInjected, "false") != 1 {
		t.Errorf("asked again with its own result: patch %s", again.Patch)
	}
}

func TestOutcomes(t *testing.T) {
	hostPID := asking()
	hostPID["spec"].(map[string]any)["hostPID"] = true
	for _, row := range []struct {
		what     string
		body     func(t testing.TB) []byte
		reason   inject.Reason
		dryRun   string
		reported int
		warning  string // part of the only warning; empty for none
		status   bool   // the patch is the status annotation
	}{
		{"not asked for", func(t testing.TB) []byte { return creation(t, podJSON(nil)) }, inject.NotRequested, "false", 0, "", false},
		{"opted out", func(t testing.TB) []byte { return creation(t, podJSON(map[string]string{contract.Enabled: "false"})) }, inject.OptedOut, "false", 0, "", false},
		{"typing error", func(t testing.TB) []byte { return creation(t, podJSON(map[string]string{contract.Enabled: "yes"})) }, inject.InvalidEnabled, "false", 1, `"yes"`, true},
		{"skipped", func(t testing.TB) []byte { return creation(t, hostPID) }, inject.HostPID, "false", 1, "hostPID", true},
		{"dry run", func(t testing.TB) []byte { return creation(t, hostPID, set("dryRun", true)) }, inject.HostPID, "true", 0, "hostPID", true},
	} {
		t.Run(row.what, func(t *testing.T) {
			f := newFixture(t)
			response := f.review(row.body(t))
			if !response.Allowed || (response.Patch != nil) != row.status {
				t.Errorf("allowed %v, patch %s", response.Allowed, response.Patch)
			}
			if f.count(row.reason, row.dryRun) != 1 {
				t.Errorf("not counted as %s", row.reason)
			}
			if len(f.reports.made) != row.reported {
				t.Errorf("%d reports, want %d", len(f.reports.made), row.reported)
			}
			if row.warning == "" && len(response.Warnings) != 0 || row.warning != "" && (len(response.Warnings) != 1 || !strings.Contains(response.Warnings[0], row.warning)) {
				t.Errorf("warnings %q, want %q", response.Warnings, row.warning)
			}
		})
	}
}

// TestFailsOpen breaks the webhook in each way there is.
func TestFailsOpen(t *testing.T) {
	never := make(chan struct{})
	for _, row := range []struct {
		what       string
		namespaces namespacesFunc
		timeout    time.Duration
		reason     inject.Reason
		panics     float64
	}{
		{"error", func(context.Context, string, *corev1.Pod) (*inject.Namespace, error) {
			return nil, errors.New("cache is empty")
		}, time.Minute, inject.InternalError, 0},
		{"panic", func(context.Context, string, *corev1.Pod) (*inject.Namespace, error) { panic("no such luck") }, time.Minute, inject.InternalError, 1},
		{"patient lookup", func(ctx context.Context, _ string, _ *corev1.Pod) (*inject.Namespace, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, 20 * time.Millisecond, inject.DecisionTimeout, 0},
		{"deaf lookup", func(context.Context, string, *corev1.Pod) (*inject.Namespace, error) { <-never; return nil, nil }, 20 * time.Millisecond, inject.DecisionTimeout, 0},
	} {
		t.Run(row.what, func(t *testing.T) {
			f := newFixture(t, func(o *Options) { o.Namespaces, o.Timeout = row.namespaces, row.timeout })
			response := f.review(creation(t, asking()))
			if !response.Allowed || response.Patch != nil {
				t.Errorf("allowed %v, patch %s", response.Allowed, response.Patch)
			}
			if len(response.Warnings) != 1 || !strings.Contains(response.Warnings[0], string(row.reason)) {
				t.Errorf("warnings %q", response.Warnings)
			}
			if f.count(row.reason, "false") != 1 || testutil.ToFloat64(f.metrics.panics) != row.panics {
				t.Errorf("counted %v, panics %v", f.count(row.reason, "false"), testutil.ToFloat64(f.metrics.panics))
			}
			if len(f.reports.made) != 0 {
				t.Error("reported a decision that was not made")
			}
		})
	}
	close(never) // lets the work that nobody waits for end
}

// TestWorkIsBounded: work that does not end keeps its slot, later requests are
// admitted unchanged without starting more, and all is well once it ends.
func TestWorkIsBounded(t *testing.T) {
	release, started := make(chan struct{}), make(chan struct{}, 100)
	f := newFixture(t, func(o *Options) {
		o.MaxInFlight, o.Timeout = 2, 20*time.Millisecond
		o.Namespaces = namespacesFunc(func(ctx context.Context, name string, pod *corev1.Pod) (*inject.Namespace, error) {
			started <- struct{}{}
			<-release
			return anyNamespace(ctx, name, pod)
		})
	})
	body := creation(t, asking())
	for range 5 {
		if response := f.review(body); !response.Allowed || response.Patch != nil {
			t.Errorf("allowed %v, patch %s", response.Allowed, response.Patch)
		}
	}
	if len(started) != 2 || f.count(inject.DecisionTimeout, "false") != 5 {
		t.Errorf("%d pieces of work for a limit of 2, %v counted", len(started), f.count(inject.DecisionTimeout, "false"))
	}
	close(release)
	deadline := time.Now().Add(time.Minute)
	for f.review(body).Patch == nil { // the slots come back when the work notices
		if time.Now().After(deadline) {
			t.Fatal("the slots do not come back")
		}
	}
}

func TestCrowdIsTurnedAway(t *testing.T) {
	release, started := make(chan struct{}), make(chan struct{})
	f := newFixture(t, func(o *Options) {
		o.MaxInFlight = 1
		o.Namespaces = namespacesFunc(func(ctx context.Context, name string, pod *corev1.Pod) (*inject.Namespace, error) {
			close(started)
			<-release
			return anyNamespace(ctx, name, pod)
		})
	})
	body := creation(t, asking())
	done := make(chan bool)
	go func() { done <- f.review(body).Allowed }()
	<-started
	status, answer := f.send(http.MethodPost, "application/json", body)
	if status != http.StatusServiceUnavailable || !strings.Contains(string(answer), "more than 1 requests") {
		t.Errorf("status %d: %s", status, answer)
	}
	close(release)
	if !<-done {
		t.Error("the first request was denied")
	}
}

// TestSlowBody: who opens requests and does not send them keeps no pod out.
func TestSlowBody(t *testing.T) {
	for _, http2 := range []bool{true, false} {
		t.Run(fmt.Sprintf("http2=%v", http2), func(t *testing.T) {
			f := newFixture(t, func(o *Options) { o.MaxInFlight, o.Timeout = 1, 300*time.Millisecond })
			client := f.server.Client()
			if !http2 {
				client.Transport.(*http.Transport).TLSClientConfig.NextProtos = []string{"http/1.1"}
				client.Transport.(*http.Transport).ForceAttemptHTTP2 = false
			}
			body, never := io.Pipe()
			defer never.Close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			request, err := http.NewRequestWithContext(ctx, http.MethodPost, f.server.URL+Path, body)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Type", "application/json")
			response, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			answer, _ := io.ReadAll(response.Body)
			if response.StatusCode != http.StatusRequestTimeout || !strings.Contains(string(answer), "did not arrive within 300ms") || response.ProtoMajor == 2 != http2 {
				t.Errorf("status %d by %s: %s", response.StatusCode, response.Proto, answer)
			}
			if status, answer := f.send(http.MethodPost, "application/json", creation(t, asking())); status == http.StatusServiceUnavailable {
				t.Errorf("the slot is still taken: %s", answer)
			}
		})
	}
}

func TestBadInput(t *testing.T) {
	unversioned := bytes.Replace(creation(t, asking()), []byte("admission.k8s.io/v1"), []byte("admission.k8s.io/v7"), 1)
	for _, row := range []struct {
		what, method, contentType string
		body                      []byte
		status                    int
		want                      string
	}{
		{"GET", http.MethodGet, "application/json", nil, http.StatusMethodNotAllowed, "is not POST"},
		{"YAML", http.MethodPost, "application/yaml", []byte("a: b"), http.StatusUnsupportedMediaType, "is not application/json"},
		{"no content type", http.MethodPost, "", creation(t, asking()), http.StatusUnsupportedMediaType, "POST an AdmissionReview"},
		{"empty", http.MethodPost, "application/json", nil, http.StatusBadRequest, "body of 0 bytes"},
		{"not JSON", http.MethodPost, "application/json", []byte("profile me"), http.StatusBadRequest, "as JSON"},
		{"not an object", http.MethodPost, "application/json", []byte(`["AdmissionReview"]`), http.StatusBadRequest, "as JSON"},
		{"another kind", http.MethodPost, "application/json", []byte(`{"apiVersion":"v1","kind":"Pod"}`), http.StatusBadRequest, `"Pod" of "v1"`},
		{"unknown version", http.MethodPost, "application/json", unversioned, http.StatusBadRequest, "admission.k8s.io/v7"},
		{"cut short", http.MethodPost, "application/json", creation(t, asking())[:300], http.StatusBadRequest, "as JSON"},
		{"wrong types", http.MethodPost, "application/json", []byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":7}`), http.StatusOK, "cannot unmarshal"},
		{"8 MiB", http.MethodPost, "application/json", bytes.Repeat([]byte(" "), 8<<20), http.StatusRequestEntityTooLarge, "larger than 7340032 bytes"},
	} {
		t.Run(row.what, func(t *testing.T) {
			f := newFixture(t)
			status, answer := f.send(row.method, row.contentType, row.body)
			if status != row.status || !strings.Contains(string(answer), row.want) {
				t.Errorf("status %d, want %d and %q: %s", status, row.status, row.want, answer)
			}
			// Without the UID of the request the answer is a failed call for the
			// API server, never a denial.
			var review admissionv1.AdmissionReview
			if json.Unmarshal(answer, &review) == nil && review.Response != nil && (review.Response.UID != "" || review.Response.Patch != nil) {
				t.Errorf("an answer that counts: %s", answer)
			}
			if f.count(inject.BadRequest, "false") != 1 {
				t.Errorf("counted %v times", f.count(inject.BadRequest, "false"))
			}
		})
	}
}

// TestNotAPodCreation: a webhook configuration that sends other things must not
// hurt them.
func TestNotAPodCreation(t *testing.T) {
	service := map[string]any{"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": "s"}}
	for what, body := range map[string][]byte{
		"another resource":    creation(t, service, set("resource", map[string]string{"version": "v1", "resource": "services"})),
		"another object":      creation(t, service),
		"no object":           creation(t, nil),
		"a string for object": creation(t, "pod"),
		"broken pod":          creation(t, map[string]any{"apiVersion": "v1", "kind": "Pod", "spec": map[string]any{"containers": "none"}}),
		"UPDATE":              creation(t, asking(), set("operation", "UPDATE")),
		"DELETE":              creation(t, nil, set("operation", "DELETE")),
		"CONNECT":             creation(t, asking(), set("operation", "CONNECT")),
		"a subresource":       creation(t, asking(), set("subResource", "eviction")),
	} {
		t.Run(what, func(t *testing.T) {
			f := newFixture(t)
			response := f.review(body)
			if !response.Allowed || response.Patch != nil {
				t.Errorf("allowed %v, patch %s", response.Allowed, response.Patch)
			}
			if len(response.Warnings) != 1 || !strings.Contains(response.Warnings[0], string(inject.BadRequest)) {
				t.Errorf("warnings %q", response.Warnings)
			}
			if f.count(inject.BadRequest, "false") != 1 {
				t.Error("not counted")
			}
		})
	}
}

// TestLargePod: an object of the size that etcd just takes is handled like any
// other.
func TestLargePod(t *testing.T) {
	f := newFixture(t)
	pod := asking()
	container := pod["spec"].(map[string]any)["containers"].([]any)[0].(map[string]any)
	var env []any
	for i := range 4000 {
		env = append(env, map[string]any{"name": fmt.Sprintf("VARIABLE_%d", i), "value": strings.Repeat("x", 256)})
	}
	container["env"] = env
	body := creation(t, pod)
	if len(body) < 1<<20 {
		t.Fatalf("only %d bytes", len(body))
	}
	response := f.review(body)
	if !response.Allowed || !inject.HasSidecar(typed(t, patched(t, pod, response))) {
		t.Errorf("allowed %v, warnings %q", response.Allowed, response.Warnings)
	}
	if len(response.Patch) > 16<<10 {
		t.Errorf("the patch of a large pod has %d bytes: it repeats what was there", len(response.Patch))
	}
}

func TestAllReasonsAreCountedFromTheStart(t *testing.T) {
	registry := prometheus.NewRegistry()
	NewMetrics(registry)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var reasons []string
	for _, family := range families {
		if family.GetName() != "podflame_webhook_decisions_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if label.GetName() == "reason" && metric.GetCounter().GetValue() == 0 {
					reasons = append(reasons, label.GetValue())
				}
			}
		}
	}
	for _, reason := range inject.Outcomes() {
		if !slices.Contains(reasons, string(reason)) {
			t.Errorf("%s has no series at 0", reason)
		}
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v %v", problems, err)
	}
}
