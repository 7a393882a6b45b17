package rotate

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/podflame/podflame/sidecar/contract"
)

func namespace(name, enabled string) *corev1.Namespace {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if enabled != "" {
		ns.Labels = map[string]string{contract.Enabled: enabled}
	}
	return ns
}

func optedIn(namespace, name string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Annotations: map[string]string{contract.Enabled: "true"}}}
}

func newTrust(cluster client.Client, bundle *[]byte) *Trust {
	trust := &Trust{
		Bundle: func(context.Context) ([]byte, error) { return *bundle, nil },
		Merge:  func(current, published []byte) []byte { return append(bytes.Clone(current), published...) },
		Wants:  func(pod *corev1.Pod) bool { return pod.Annotations[contract.Enabled] == "true" },
		Log:    quiet(),
		client: cluster,
	}
	trust.register(prometheus.NewRegistry())
	return trust
}

func (t *Trust) count(result string) float64 {
	return testutil.ToFloat64(t.writes.WithLabelValues(result))
}

func TestTrustGoesWhereItIsWanted(t *testing.T) {
	ctx, bundle := t.Context(), []byte("first,")
	cluster := fakeCluster(namespace("labelled", "true"), namespace("opted-out", "false"), namespace("plain", ""), namespace("pods", ""), optedIn("pods", "a"))
	trust := newTrust(cluster, &bundle)
	published := func(name string) string {
		t.Helper()
		mustReconcile(t, trust, name)
		var found corev1.ConfigMap
		err := cluster.Get(ctx, types.NamespacedName{Namespace: name, Name: contract.TrustConfigMap}, &found)
		if client.IgnoreNotFound(err) != nil {
			t.Fatal(err)
		}
		return found.Data[contract.TrustKey]
	}
	for name, want := range map[string]string{"labelled": "first,", "opted-out": "", "plain": "", "pods": "first,", "missing": ""} {
		if got := published(name); got != want {
			t.Errorf("namespace %s: published %q, want %q", name, got, want)
		}
	}
	if got := trust.count(trustWritten); got != 2 {
		t.Errorf("%v written", got)
	}

	bundle = []byte("second,")
	if got := published("pods"); got != "second,first," {
		t.Errorf("after a change: %q", got)
	}
	if err := cluster.Delete(ctx, optedIn("pods", "a")); err != nil {
		t.Fatal(err)
	}
	if got := published("pods"); got != "" || trust.count(trustDeleted) != 1 {
		t.Errorf("without pods: %q, %v deleted", got, trust.count(trustDeleted))
	}
	bundle = nil
	if got := published("labelled"); got != "first," {
		t.Errorf("no bundle, as at the start of a replica, must not clear what is published: %q", got)
	}
}

func TestTrustLeavesForeignConfigMapsAlone(t *testing.T) {
	bundle := []byte("ours")
	foreign := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: contract.TrustConfigMap}, Data: map[string]string{"x": "y"}}
	cluster := fakeCluster(namespace("n", "true"), foreign)
	trust := newTrust(cluster, &bundle)
	mustReconcile(t, trust, "n")
	found := get(t, cluster, client.ObjectKeyFromObject(foreign), &corev1.ConfigMap{})
	if len(found.Data) != 1 || found.Data["x"] != "y" || trust.count(trustForeign) != 1 {
		t.Errorf("changed to %v; %v counted", found.Data, trust.count(trustForeign))
	}
}

func TestTrustFailures(t *testing.T) {
	bundle := []byte("ours")
	var failure error
	cluster := interceptor.NewClient(fakeCluster(namespace("n", "true")).(client.WithWatch), interceptor.Funcs{
		Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error { return failure },
	})
	trust := newTrust(cluster, &bundle)

	terminating := apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, contract.TrustConfigMap, errors.New("namespace is being terminated"))
	terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	failure = terminating
	mustReconcile(t, trust, "n")
	if got := trust.count(trustFailed); got != 0 {
		t.Errorf("a namespace that goes away counts as %v failures", got)
	}
	failure = errors.New("no quota")
	if _, err := trust.Reconcile(t.Context(), requestFor("n")); !errors.Is(err, failure) || trust.count(trustFailed) != 1 {
		t.Errorf("error %v, %v counted", err, trust.count(trustFailed))
	}
}

func TestPodsThatMatter(t *testing.T) {
	trust := newTrust(nil, nil)
	matter, with, without := trust.podsThatMatter(), optedIn("n", "a"), &corev1.Pod{}
	for what, pair := range map[string][2]bool{
		"created":          {matter.Create(event.CreateEvent{Object: with}), true},
		"created, no wish": {matter.Create(event.CreateEvent{Object: without}), false},
		"status changed":   {matter.Update(event.UpdateEvent{ObjectOld: with, ObjectNew: with}), false},
		"annotated later":  {matter.Update(event.UpdateEvent{ObjectOld: without, ObjectNew: with}), true},
		"deleted":          {matter.Delete(event.DeleteEvent{Object: with}), true},
		"of another kind":  {matter.Create(event.CreateEvent{Object: &corev1.Secret{}}), false},
	} {
		if pair[0] != pair[1] {
			t.Errorf("pod %s: passed %v", what, pair[0])
		}
	}
}
