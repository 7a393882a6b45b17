package admission

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// liveLookup bounds the one request to the API server that a decision may
// need.
const liveLookup = 500 * time.Millisecond

// NamespaceMetadata finds namespaces in a cache of their metadata. One that
// the cache does not know yet (it was made a moment ago, together with its
// first pod) is asked for once.
type NamespaceMetadata struct {
	Cache client.Reader
	Live  client.Reader
}

// Namespace implements Namespaces.
func (n NamespaceMetadata) Namespace(ctx context.Context, name string) (*corev1.Namespace, error) {
	found := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}}
	err := n.Cache.Get(ctx, types.NamespacedName{Name: name}, found)
	if apierrors.IsNotFound(err) {
		ctx, cancel := context.WithTimeout(ctx, liveLookup)
		defer cancel()
		err = n.Live.Get(ctx, types.NamespacedName{Name: name}, found)
	}
	if err != nil {
		return nil, fmt.Errorf("read namespace: %w", err)
	}
	return &corev1.Namespace{ObjectMeta: found.ObjectMeta}, nil
}
