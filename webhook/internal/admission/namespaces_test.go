package admission

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

func clusterOf(namespaces ...string) client.WithWatch {
	builder := fake.NewClientBuilder().WithScheme(scheme.Scheme)
	for _, name := range namespaces {
		builder.WithObjects(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"of": name}}})
	}
	return builder.Build()
}

func clusterWith(cache, live client.Reader) Cluster {
	return Cluster{
		Cache: cache, Live: live, Unpullable: func(_ context.Context, namespace string) string { return "" },
		Metrics: NewMetrics(prometheus.NewRegistry()), Log: slog.New(slog.DiscardHandler),
	}
}

// TestWhatIsInTheNamespace: limits, quotas and missing pods are found, and are
// left out where they cannot be.
func TestWhatIsInTheNamespace(t *testing.T) {
	four := int32(4)
	set := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "web-1"}, Spec: appsv1.ReplicaSetSpec{Replicas: &four}, Status: appsv1.ReplicaSetStatus{Replicas: 1}}
	inN := metav1.ObjectMeta{Namespace: "n", Name: "x"}
	cluster := fake.NewClientBuilder().WithScheme(scheme.Scheme).WithObjects(set, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "n"}},
		&corev1.LimitRange{ObjectMeta: inN}, &corev1.ResourceQuota{ObjectMeta: inN}, &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "other", Name: "x"}}).Build()
	pod := func(owner string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{{Kind: "ReplicaSet", Name: owner, Controller: new(true)}}}}
	}
	find := clusterWith(cluster, cluster)
	find.Unpullable = func(_ context.Context, namespace string) string { return "image of " + namespace }
	found, err := find.Namespace(t.Context(), "n", pod("web-1"))
	if err != nil || len(found.LimitRanges) != 1 || len(found.Quotas) != 1 || found.Missing != 2 || found.Unpullable != "image of n" {
		t.Errorf("%+v, %v", found, err)
	}
	if found, err = find.Namespace(t.Context(), "n", pod("gone")); err != nil || found.Missing != 0 || testutil.ToFloat64(find.Metrics.lookups.WithLabelValues("owner")) != 1 {
		t.Errorf("owner that is gone: %+v, %v", found, err)
	}
	find.Cache = interceptor.NewClient(cluster, interceptor.Funcs{
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
			return errors.New("forbidden")
		},
	})
	found, err = find.Namespace(t.Context(), "n", pod("web-1"))
	if err != nil || found.LimitRanges != nil || found.Quotas != nil || testutil.ToFloat64(find.Metrics.lookups.WithLabelValues("limitranges")) != 1 {
		t.Errorf("lists that are forbidden: %+v, %v", found, err)
	}
}

func TestNamespaceMetadata(t *testing.T) {
	asked := 0
	live := interceptor.NewClient(clusterOf("old", "new"), interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			asked++
			if _, bounded := ctx.Deadline(); !bounded {
				t.Error("a request to the API server without a deadline")
			}
			return c.Get(ctx, key, object, options...)
		},
	})
	find := clusterWith(clusterOf("old"), live)
	for _, row := range []struct {
		name  string
		asked int
		found bool
	}{{"old", 0, true}, {"new", 1, true}, {"missing", 2, false}} {
		namespace, err := find.Namespace(t.Context(), row.name, &corev1.Pod{})
		if (err == nil) != row.found || row.found && (namespace.Name != row.name || namespace.Labels["of"] != row.name) {
			t.Errorf("namespace %s: %v, %v", row.name, namespace, err)
		}
		if asked != row.asked {
			t.Errorf("namespace %s: the API server was asked %d times, want %d", row.name, asked, row.asked)
		}
	}
	broken := interceptor.NewClient(clusterOf("old"), interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return errors.New("cache not started")
		},
	})
	if _, err := clusterWith(broken, live).Namespace(t.Context(), "old", &corev1.Pod{}); err == nil || asked != 2 {
		t.Errorf("a broken cache: %v, asked %d times", err, asked)
	}
}
