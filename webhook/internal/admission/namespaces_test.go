package admission

import (
	"context"
	"errors"
	"testing"

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
	find := NamespaceMetadata{Cache: clusterOf("old"), Live: live}
	for _, row := range []struct {
		name  string
		asked int
		found bool
	}{{"old", 0, true}, {"new", 1, true}, {"missing", 2, false}} {
		namespace, err := find.Namespace(t.Context(), row.name)
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
	if _, err := (NamespaceMetadata{Cache: broken, Live: live}).Namespace(t.Context(), "old"); err == nil || asked != 2 {
		t.Errorf("a broken cache: %v, asked %d times", err, asked)
	}
}
