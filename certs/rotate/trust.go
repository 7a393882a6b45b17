package rotate

import (
	"context"
	"fmt"
	"log/slog"
	"maps"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/podflame/podflame/sidecar/contract"
)

// Outcomes of publishing, the values of the label "result".
const (
	trustWritten = "written"
	trustDeleted = "deleted"
	trustForeign = "foreign" // the ConfigMap exists and is not ours: left alone
	trustFailed  = "failed"
)

// Trust publishes the bundle that sidecars verify the backend with. Its
// namespaces are those whose label opts in and those with a pod that Wants it;
// from all others our ConfigMap is removed.
type Trust struct {
	// Bundle is the current bundle, nil while there is none.
	Bundle func(ctx context.Context) ([]byte, error)
	// Merge adds to the current bundle what must stay of the one published
	// before.
	Merge func(current, published []byte) []byte
	// Wants says whether a pod in the manager's cache needs the bundle.
	Wants func(*corev1.Pod) bool
	// Changed receives when Bundle changed; may be nil.
	Changed <-chan struct{}
	Log     *slog.Logger

	client client.Client
	writes *prometheus.CounterVec
}

func (t *Trust) register(registry prometheus.Registerer) {
	t.writes = promauto.With(registry).NewCounterVec(prometheus.CounterOpts{
		Name: "podflame_trust_bundle_writes_total",
		Help: "ConfigMaps with the trust bundle of the sidecars: written, deleted, left alone because they are not ours, and failures.",
	}, []string{"result"})
	for _, result := range []string{trustWritten, trustDeleted, trustForeign, trustFailed} {
		t.writes.WithLabelValues(result)
	}
}

// Reconcile implements reconcile.Reconciler; the request names a namespace.
func (t *Trust) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	result, err := t.publish(ctx, request.Name)
	if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return reconcile.Result{}, nil
	}
	if err != nil {
		result = trustFailed
	}
	if result != "" {
		t.writes.WithLabelValues(result).Inc()
	}
	return reconcile.Result{}, err
}

func (t *Trust) publish(ctx context.Context, namespace string) (result string, err error) {
	wanted, err := t.wanted(ctx, namespace)
	if err != nil {
		return "", err
	}
	var published corev1.ConfigMap
	key := types.NamespacedName{Namespace: namespace, Name: contract.TrustConfigMap}
	err = t.client.Get(ctx, key, &published)
	exists := err == nil
	switch {
	case err != nil && !apierrors.IsNotFound(err):
		return "", fmt.Errorf("read trust bundle %s: %w", key, err)
	case exists && published.Labels[managedByLabel] != managedByUs:
		t.Log.Warn("trust bundle not published: a ConfigMap of that name exists without our label", "configMap", key.String(), "label", managedByLabel+"="+managedByUs)
		return trustForeign, nil
	case !wanted && exists:
		if err := client.IgnoreNotFound(t.client.Delete(ctx, &published)); err != nil {
			return "", fmt.Errorf("delete trust bundle %s: %w", key, err)
		}
		return trustDeleted, nil
	case !wanted:
		return "", nil
	}
	current, err := t.Bundle(ctx)
	if err != nil || current == nil {
		return "", err
	}
	data := map[string]string{contract.TrustKey: string(t.Merge(current, []byte(published.Data[contract.TrustKey])))}
	if exists && maps.Equal(data, published.Data) {
		return "", nil
	}
	return trustWritten, t.write(ctx, key, &published, exists, data)
}

func (t *Trust) write(ctx context.Context, key types.NamespacedName, published *corev1.ConfigMap, exists bool, data map[string]string) error {
	if exists {
		published.Data = data
		if err := t.client.Update(ctx, published); err != nil {
			return fmt.Errorf("update trust bundle %s: %w", key, err)
		}
		return nil
	}
	created := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: key.Namespace,
			Name:      key.Name,
			Labels:    map[string]string{managedByLabel: managedByUs},
		},
		Data: data,
	}
	if err := t.client.Create(ctx, created); err != nil {
		return fmt.Errorf("create trust bundle %s: %w", key, err)
	}
	return nil
}

// wanted reads caches only.
func (t *Trust) wanted(ctx context.Context, name string) (bool, error) {
	namespace := namespaceMetadata()
	err := t.client.Get(ctx, types.NamespacedName{Name: name}, namespace)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read namespace %s: %w", name, err)
	}
	if namespace.DeletionTimestamp != nil {
		return false, nil
	}
	if namespace.Labels[contract.Enabled] == "true" {
		return true, nil
	}
	var pods corev1.PodList
	if err := t.client.List(ctx, &pods, client.InNamespace(name), client.UnsafeDisableDeepCopy); err != nil {
		return false, fmt.Errorf("list pods of namespace %s: %w", name, err)
	}
	for i := range pods.Items {
		if t.Wants(&pods.Items[i]) {
			return true, nil
		}
	}
	return false, nil
}

func namespaceMetadata() *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}}
}
