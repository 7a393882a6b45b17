package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/webhook/internal/inject"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func config(t testing.TB) inject.Config {
	t.Helper()
	config := inject.DefaultConfig()
	config.Image, config.Backend, config.ServerVersion = "registry.example/sidecar:1", "https://backend.example", "1.34.4"
	if err := config.Validate(); err != nil {
		t.Fatal(err)
	}
	return config
}

func namespaceOf(name string, labels map[string]string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
}

// podOf is a running pod; enabled is its annotation, if not empty.
func podOf(namespace, name, enabled string, changes ...func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, UID: types.UID("uid-" + namespace + "-" + name),
			CreationTimestamp: metav1.NewTime(time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)),
			OwnerReferences:   []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "rs", UID: "rs", Controller: new(true)}},
		},
		Spec: corev1.PodSpec{
			Containers: []corev1.Container{{Name: "app", Image: "shop/app:1", SecurityContext: &corev1.SecurityContext{RunAsUser: new(int64(1000)), RunAsGroup: new(int64(1000))}}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodRunning},
	}
	if enabled != "" {
		pod.Annotations = map[string]string{contract.Enabled: enabled}
	}
	for _, change := range changes {
		change(pod)
	}
	return pod
}

func hostPID(pod *corev1.Pod)  { pod.Spec.HostPID = true }
func finished(pod *corev1.Pod) { pod.Status.Phase = corev1.PodSucceeded }

// injected is a pod as the webhook makes it.
func injected(t testing.TB, pod *corev1.Pod) *corev1.Pod {
	t.Helper()
	decision := inject.Decide(pod, &inject.Namespace{ObjectMeta: namespaceOf(pod.Namespace, nil).ObjectMeta}, config(t))
	if !decision.Inject {
		t.Fatalf("pod %s: %v", pod.Name, decision.Reasons)
	}
	return inject.Apply(pod, decision, config(t))
}

// skipped is a pod as the webhook leaves it, with the reason written down.
func skipped(t testing.TB, pod *corev1.Pod) *corev1.Pod {
	t.Helper()
	return inject.Apply(pod, inject.Decide(pod, &inject.Namespace{ObjectMeta: namespaceOf(pod.Namespace, nil).ObjectMeta}, config(t)), config(t))
}

// announcements keeps what was announced and can refuse.
type announcements struct {
	refuse bool
	made   []string
}

func (a *announcements) Announce(_ context.Context, finding Finding) bool {
	if a.refuse {
		return false
	}
	a.made = append(a.made, finding.key()+" "+string(finding.Reason))
	return true
}

type fixture struct {
	*Auditor
	cluster client.WithWatch // whole pods
	fetched int
	told    *announcements
}

// newFixture audits objects. Its cache holds slim pods, as the manager's does.
func newFixture(t *testing.T, leader bool, objects ...client.Object) *fixture {
	t.Helper()
	f := &fixture{told: &announcements{}}
	f.cluster = fake.NewClientBuilder().WithScheme(scheme.Scheme).WithObjects(objects...).Build()
	live := interceptor.NewClient(f.cluster, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			f.fetched++
			return c.Get(ctx, key, object, options...)
		},
	})
	cache := interceptor.NewClient(f.cluster, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			if err := c.List(ctx, list, options...); err != nil {
				return err
			}
			if pods, ok := list.(*corev1.PodList); ok {
				for i := range pods.Items {
					slim, err := Slim(&pods.Items[i])
					if err != nil {
						return err
					}
					pods.Items[i] = *slim.(*corev1.Pod)
				}
			}
			return nil
		},
	})
	elected := make(chan struct{})
	if leader {
		close(elected)
	}
	f.Auditor = New(Options{
		Cache: cache, Live: live, Inject: config(t), Every: time.Hour, Max: 100, Leader: elected,
		Announcer: f.told, Breaker: NewBreaker(cache, config(t).Image, quiet()), Metrics: NewMetrics(prometheus.NewRegistry()), Log: quiet(),
	})
	return f
}

func (f *fixture) mustRound(t *testing.T) {
	t.Helper()
	if err := f.round(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// get asks over HTTP.
func (f *fixture) get(t *testing.T, query string) (status int, page Page, body string) {
	t.Helper()
	recorder := httptest.NewRecorder()
	f.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, Path+query, nil))
	body = recorder.Body.String()
	if recorder.Code == http.StatusOK {
		if err := json.Unmarshal(recorder.Body.Bytes(), &page); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
	}
	return recorder.Code, page, body
}

func TestWhoRunsWithoutTheSidecar(t *testing.T) {
	f := newFixture(t, true,
		namespaceOf("all", map[string]string{contract.Enabled: "true"}), namespaceOf("some", nil), namespaceOf("kube-system", map[string]string{contract.Enabled: "true"}),
		podOf("all", "missed", ""),
		podOf("all", "opted-out", "false"),
		podOf("all", "finished", "", finished),
		podOf("kube-system", "excluded", "true"),
		injected(t, podOf("some", "fine", "true")),
		podOf("some", "plain", ""),
		podOf("some", "missed", "true"),
		podOf("some", "typing-error", "ture"),
		skipped(t, podOf("some", "skipped", "true", hostPID)),
		podOf("some", "would-be-skipped", "true", hostPID),
		podOf("some", "copied-status", "true", func(pod *corev1.Pod) {
			pod.Annotations[contract.Status] = `{"injected":true,"reason":"injected"}`
		}),
		podOf("some", "invented-status", "true", func(pod *corev1.Pod) {
			pod.Annotations[contract.Status] = `{"injected":false,"reason":"<script>"}`
		}),
	)
	f.mustRound(t)
	_, page, _ := f.get(t, "")
	got := map[string]inject.Reason{}
	for _, finding := range page.Findings {
		got[finding.key()] = finding.Reason
		if finding.Text == "" || finding.Remedy == "" || finding.OwnerKind != "ReplicaSet" || finding.CreatedAt.Hour() != 10 {
			t.Errorf("incomplete: %+v", finding)
		}
	}
	want := map[string]inject.Reason{
		"all/missed":            inject.MissedByWebhook,
		"some/missed":           inject.MissedByWebhook,
		"some/typing-error":     inject.InvalidEnabled,
		"some/skipped":          inject.HostPID,
		"some/would-be-skipped": inject.HostPID,
		"some/copied-status":    inject.MissedByWebhook,
		"some/invented-status":  inject.MissedByWebhook,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if page.OptedIn != 8 || page.WithSidecar != 1 || page.Missing != 7 || page.Unexamined != 0 || page.ByReason[inject.MissedByWebhook] != 4 {
		t.Errorf("counts: %+v", page)
	}
	gauge := func(reason inject.Reason) float64 {
		return testutil.ToFloat64(f.options.Metrics.pods.WithLabelValues(string(reason)))
	}
	if gauge(inject.MissedByWebhook) != 4 || gauge(inject.HostPID) != 2 || gauge(inject.InvalidEnabled) != 1 || gauge(inject.Windows) != 0 {
		t.Error("the gauge says something else")
	}
	if len(f.told.made) != 7 {
		t.Errorf("announced %q", f.told.made)
	}
}

func TestEachPodIsFetchedAndAnnouncedOnce(t *testing.T) {
	f := newFixture(t, true, namespaceOf("n", nil), podOf("n", "a", "true"), podOf("n", "b", "true"))
	f.told.refuse = true // the rate is exceeded
	f.mustRound(t)
	f.told.refuse = false
	f.mustRound(t)
	f.mustRound(t)
	if f.fetched != 2 || len(f.told.made) != 2 {
		t.Errorf("%d fetched, announced %q", f.fetched, f.told.made)
	}
	// A pod of the same name is another pod.
	if err := f.cluster.Delete(t.Context(), podOf("n", "a", "")); err != nil {
		t.Fatal(err)
	}
	if err := f.cluster.Create(t.Context(), podOf("n", "a", "true", func(pod *corev1.Pod) { pod.UID = "other"; pod.ResourceVersion = "" })); err != nil {
		t.Fatal(err)
	}
	f.mustRound(t)
	if f.fetched != 3 || len(f.told.made) != 3 {
		t.Errorf("%d fetched, announced %q", f.fetched, f.told.made)
	}
	if len(f.verdicts) != 2 || len(f.announced) != 2 {
		t.Errorf("remembers %d verdicts and %d announcements of 2 pods", len(f.verdicts), len(f.announced))
	}
}

func TestOnlyTheLeaderAnnounces(t *testing.T) {
	f := newFixture(t, false, namespaceOf("n", nil), podOf("n", "a", "true"))
	f.mustRound(t)
	if _, page, _ := f.get(t, ""); len(page.Findings) != 1 || len(f.told.made) != 0 {
		t.Errorf("%d findings, announced %q", len(page.Findings), f.told.made)
	}
}

func TestPodThatIsGoneByNow(t *testing.T) {
	f := newFixture(t, true, namespaceOf("n", nil), podOf("n", "a", "true"))
	f.options.Live = fake.NewClientBuilder().WithScheme(scheme.Scheme).Build()
	f.mustRound(t)
	if _, page, _ := f.get(t, ""); page.OptedIn != 0 || page.Missing != 0 || len(page.Findings) != 0 {
		t.Errorf("%+v", page)
	}
}

func TestFindingsAreBoundedAndPaged(t *testing.T) {
	objects := []client.Object{}
	for _, namespace := range []string{"a", "a-b", "c"} { // '-' sorts before '/'
		objects = append(objects, namespaceOf(namespace, nil))
		for i := range 5 {
			objects = append(objects, podOf(namespace, fmt.Sprint("p", i), "true"))
		}
	}
	f := newFixture(t, true, objects...)
	f.options.Max = 12
	f.mustRound(t)
	var seen []string
	query := "?limit=5"
	for range 10 {
		_, page, _ := f.get(t, query)
		if page.Missing != 15 || page.Unexamined != 3 {
			t.Fatalf("missing %d, unexamined %d", page.Missing, page.Unexamined)
		}
		for _, finding := range page.Findings {
			seen = append(seen, finding.key())
		}
		if page.ContinueWith == "" {
			break
		}
		query = "?limit=5&after=" + page.ContinueWith
	}
	if len(seen) != 12 || seen[0] != "a-b/p0" || seen[5] != "a/p0" || seen[11] != "c/p1" {
		t.Errorf("%d seen: %q", len(seen), seen)
	}
	if f.fetched != 12 {
		t.Errorf("%d pods fetched for 12 findings", f.fetched)
	}
	if got := testutil.ToFloat64(f.options.Metrics.unexamined); got != 3 {
		t.Errorf("gauge of unexamined pods: %v", got)
	}
}

func TestBadQueries(t *testing.T) {
	f := newFixture(t, true)
	if status, _, body := f.get(t, ""); status != http.StatusServiceUnavailable || !strings.Contains(body, "not finished yet") {
		t.Errorf("before the first audit: %d %s", status, body)
	}
	f.mustRound(t)
	for query, want := range map[string]int{
		"": 200, "?limit=1000": 200, "?after=zzz": 200, "?other=1": 200,
		"?limit=0": 400, "?limit=1001": 400, "?limit=-1": 400, "?limit=x": 400, "?after=" + strings.Repeat("x", 400): 400,
	} {
		status, page, body := f.get(t, query)
		if status != want {
			t.Errorf("%.30q: status %d, want %d: %s", query, status, want, body)
		}
		if status == 200 && (page.Findings == nil || page.ByReason == nil) {
			t.Errorf("%q: null in %s", query, body)
		}
	}
	recorder := httptest.NewRecorder()
	f.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, Path, nil))
	if recorder.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", recorder.Code)
	}
}

func TestFailedAuditLeavesTheLastOne(t *testing.T) {
	f := newFixture(t, true, namespaceOf("n", nil), podOf("n", "a", "true"))
	f.mustRound(t)
	working := f.options.Cache
	f.options.Cache = interceptor.NewClient(f.cluster, interceptor.Funcs{
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
			return fmt.Errorf("cache not started")
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- f.Start(ctx) }()
	deadline := time.Now().Add(time.Minute)
	for testutil.ToFloat64(f.options.Metrics.failures) == 0 {
		if time.Now().After(deadline) {
			t.Fatal("the failure is not counted")
		}
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	f.options.Cache = working
	if _, page, _ := f.get(t, ""); len(page.Findings) != 1 {
		t.Errorf("%d findings", len(page.Findings))
	}
}
