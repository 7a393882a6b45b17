package admission

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podflame/podflame/webhook/internal/inject"
)

// liveLookup bounds each of the two requests to the API server that a decision
// may need.
const liveLookup = 500 * time.Millisecond

// Cluster finds namespaces and what is in them in caches. A namespace that the
// cache does not know yet (it was made a moment ago, together with its first
// pod) is asked for once. All but the namespace itself may fail: then it is
// decided without.
type Cluster struct {
	Cache      client.Reader
	Live       client.Reader
	Unpullable func(ctx context.Context, namespace string) string
	Metrics    *Metrics
	Log        *slog.Logger
}

// Namespace implements Namespaces.
func (c Cluster) Namespace(ctx context.Context, name string, pod *corev1.Pod) (*inject.Namespace, error) {
	found := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}}
	err := c.Cache.Get(ctx, types.NamespacedName{Name: name}, found)
	if apierrors.IsNotFound(err) {
		ctx, cancel := context.WithTimeout(ctx, liveLookup)
		defer cancel()
		err = c.Live.Get(ctx, types.NamespacedName{Name: name}, found)
	}
	if err != nil {
		return nil, fmt.Errorf("read namespace: %w", err)
	}
	ns := &inject.Namespace{ObjectMeta: found.ObjectMeta, Unpullable: c.Unpullable(ctx, name)}
	var ranges corev1.LimitRangeList
	if c.list(ctx, "limitranges", name, &ranges) {
		ns.LimitRanges = ranges.Items
	}
	var quotas corev1.ResourceQuotaList
	if c.list(ctx, "resourcequotas", name, &quotas) && len(quotas.Items) > 0 {
		ns.Quotas = quotas.Items
		ns.Missing = c.missing(ctx, name, pod)
	}
	return ns, nil
}

func (c Cluster) list(ctx context.Context, what, namespace string, into client.ObjectList) bool {
	err := c.Cache.List(ctx, into, client.InNamespace(namespace))
	if err != nil {
		c.failed(what, namespace, err)
	}
	return err == nil
}

func (c Cluster) failed(what, namespace string, err error) {
	c.Metrics.lookups.WithLabelValues(what).Inc()
	c.Log.Warn("decided without what could not be looked up", "what", what, "namespace", namespace, "error", err)
}

// missing is how many pods the controller of pod will still make, as far as it
// says so: its status may lag behind, and then it is too many rather than too
// few.
func (c Cluster) missing(ctx context.Context, namespace string, pod *corev1.Pod) int {
	owner := metav1.GetControllerOfNoCopy(pod)
	if owner == nil {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, liveLookup)
	defer cancel()
	key := types.NamespacedName{Namespace: namespace, Name: owner.Name}
	var wanted *int32
	var there int32
	var err error
	switch owner.Kind {
	case "ReplicaSet":
		var set appsv1.ReplicaSet
		err = c.Live.Get(ctx, key, &set)
		wanted, there = set.Spec.Replicas, set.Status.Replicas
	case "StatefulSet":
		var set appsv1.StatefulSet
		err = c.Live.Get(ctx, key, &set)
		wanted, there = set.Spec.Replicas, set.Status.Replicas
	case "Job":
		var job batchv1.Job
		err = c.Live.Get(ctx, key, &job)
		wanted, there = job.Spec.Parallelism, job.Status.Active
	}
	if err != nil {
		c.failed("owner", namespace, err)
	}
	if wanted == nil {
		return 0
	}
	return int(max(0, *wanted-there-1))
}
