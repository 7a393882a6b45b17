package rotate

import (
	"context"
	"fmt"
	"os"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/open-policy-agent/cert-controller/pkg/rotator"
	"github.com/prometheus/client_golang/prometheus"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/podflame/podflame/certs"
	"github.com/podflame/podflame/sidecar/contract"
)

const (
	caName         = "podflame-ca"
	caOrganization = "podflame"
	fieldOwner     = "podflame-webhook"
)

// Add makes the manager manage the certificates, and keep the pair that this
// replica of the webhook serves equal to the Secret. It makes the Secret if it
// is missing, so it needs the API server. The returned function cleans up
// after the manager has stopped.
func Add(ctx context.Context, mgr manager.Manager, pair *certs.Pair, options Options) (cleanUp func(), err error) {
	if err := ensureSecret(ctx, mgr, options.secretKey()); err != nil {
		return nil, err
	}
	directory, err := os.MkdirTemp("", "podflame-certs-")
	if err != nil {
		return nil, fmt.Errorf("make directory for cert-controller: %w", err)
	}
	cleanUp = func() { os.RemoveAll(directory) }
	if err := addAll(mgr, &options, pair, directory); err != nil {
		cleanUp()
		return nil, err
	}
	return cleanUp, nil
}

func ensureSecret(ctx context.Context, mgr manager.Manager, key types.NamespacedName) error {
	err := mgr.GetAPIReader().Get(ctx, key, &corev1.Secret{})
	if apierrors.IsNotFound(err) {
		return createSecret(ctx, mgr.GetClient(), key, nil)
	}
	if err != nil {
		return fmt.Errorf("read secret %s: %w", key, err)
	}
	return nil
}

func addAll(mgr manager.Manager, options *Options, pair *certs.Pair, directory string) error {
	if err := addRotator(mgr, options, directory); err != nil {
		return err
	}
	if err := addServing(mgr, &serving{pair: pair, reader: mgr.GetClient(), options: options, now: time.Now, mountedIn: directory}); err != nil {
		return err
	}
	return addAuthority(mgr, &authority{client: mgr.GetClient(), live: mgr.GetAPIReader(), options: options, now: time.Now})
}

func addRotator(mgr manager.Manager, options *Options, directory string) error {
	writer := &overlapClient{Client: mgr.GetClient(), live: mgr.GetAPIReader(), options: options, now: time.Now}
	names := serviceNames(options.Service, options.Namespace)
	err := rotator.AddRotator(overlapManager{Manager: mgr, client: writer, config: onlyNamed(mgr.GetConfig(), options)}, &rotator.CertRotator{
		SecretKey:              options.secretKey(),
		CertDir:                directory,
		CAName:                 caName,
		CAOrganization:         caOrganization,
		DNSName:                names[0],
		ExtraDNSNames:          names[1:],
		IsReady:                make(chan struct{}),
		Webhooks:               []rotator.WebhookInfo{{Name: options.Configuration, Type: rotator.Mutating}},
		FieldOwner:             fieldOwner,
		RequireLeaderElection:  true,
		CaCertDuration:         options.CALifetime,
		ServerCertDuration:     options.CertLifetime,
		LookaheadInterval:      options.RenewBefore,
		RotationCheckFrequency: options.CheckEvery,
	})
	if err != nil {
		return fmt.Errorf("add cert-controller: %w", err)
	}
	return nil
}

func addServing(mgr manager.Manager, s *serving) error {
	everyReplica := false
	err := builder.ControllerManagedBy(mgr).
		Named("serving-certificate").
		WithOptions(controller.Options{NeedLeaderElection: &everyReplica}).
		Watches(&corev1.Secret{}, always(s.options.secretKey()), named(s.options.Secret)).
		Watches(&admissionregistrationv1.MutatingWebhookConfiguration{}, always(s.options.secretKey()), named(s.options.Configuration)).
		Complete(s)
	if err != nil {
		return fmt.Errorf("add controller of the serving certificate: %w", err)
	}
	return nil
}

func addAuthority(mgr manager.Manager, a *authority) error {
	err := builder.ControllerManagedBy(mgr).
		Named("certificate-authority").
		Watches(&corev1.Secret{}, always(a.options.secretKey()), named(a.options.Secret)).
		Complete(a)
	if err != nil {
		return fmt.Errorf("add controller of the CA: %w", err)
	}
	return nil
}

// AddTrust makes the manager publish the trust bundle, in the leader. The
// manager's cache must hold Pods, and ConfigMaps named contract.TrustConfigMap.
func AddTrust(mgr manager.Manager, registry prometheus.Registerer, trust *Trust, secret types.NamespacedName) error {
	trust.client = mgr.GetClient()
	trust.register(registry)
	all := handler.EnqueueRequestsFromMapFunc(trust.allNamespaces)
	own := handler.EnqueueRequestsFromMapFunc(func(_ context.Context, object client.Object) []reconcile.Request {
		return request(object.GetNamespace())
	})
	b := builder.ControllerManagedBy(mgr).
		Named("trust-bundle").
		WatchesMetadata(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(func(_ context.Context, object client.Object) []reconcile.Request {
			return request(object.GetName())
		}), builder.WithPredicates(predicate.LabelChangedPredicate{})).
		Watches(&corev1.Pod{}, own, builder.WithPredicates(trust.podsThatMatter())).
		Watches(&corev1.ConfigMap{}, own, named(contract.TrustConfigMap))
	if secret.Name != "" {
		b = b.Watches(&corev1.Secret{}, all, named(secret.Name))
	}
	if trust.Changed != nil {
		events := make(chan event.GenericEvent)
		b = b.WatchesRawSource(source.Channel(events, all))
		if err := mgr.Add(forward(trust.Changed, events)); err != nil {
			return fmt.Errorf("add watch of the trust bundle: %w", err)
		}
	}
	if err := b.Complete(trust); err != nil {
		return fmt.Errorf("add controller of the trust bundle: %w", err)
	}
	return nil
}

// SelfManaged makes a Trust that publishes the CA in a Secret of ours.
func SelfManaged(mgr manager.Manager, options Options) *Trust {
	return &Trust{
		Bundle: func(ctx context.Context) ([]byte, error) {
			var secret corev1.Secret
			if err := mgr.GetClient().Get(ctx, options.secretKey(), &secret); err != nil {
				return nil, client.IgnoreNotFound(err)
			}
			return secret.Data[authorityKey], nil
		},
		Merge: func(current, published []byte) []byte {
			return mergeBundles(time.Now(), options.Overlap, current, published)
		},
		Log: options.Log,
	}
}

// allNamespaces asks for every namespace in the cache; those that need nothing
// cost a look into the cache each.
func (t *Trust) allNamespaces(ctx context.Context, _ client.Object) []reconcile.Request {
	var namespaces metav1.PartialObjectMetadataList
	namespaces.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NamespaceList"))
	if err := t.client.List(ctx, &namespaces); err != nil {
		t.Log.Warn("trust bundle not refreshed: namespaces cannot be listed", "error", err)
		return nil
	}
	var requests []reconcile.Request
	for i := range namespaces.Items {
		requests = append(requests, request(namespaces.Items[i].Name)...)
	}
	return requests
}

// podsThatMatter passes the coming and going of pods that want the bundle; a
// pod's wish never changes while it lives, but for its annotation.
func (t *Trust) podsThatMatter() predicate.Predicate {
	wants := func(object client.Object) bool {
		pod, ok := object.(*corev1.Pod)
		return ok && t.Wants(pod)
	}
	return predicate.Funcs{
		CreateFunc:  func(e event.CreateEvent) bool { return wants(e.Object) },
		UpdateFunc:  func(e event.UpdateEvent) bool { return wants(e.ObjectOld) != wants(e.ObjectNew) },
		DeleteFunc:  func(e event.DeleteEvent) bool { return wants(e.Object) },
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
}

// forward turns the news of a channel into events for a controller.
func forward(changed <-chan struct{}, events chan<- event.GenericEvent) manager.RunnableFunc {
	return func(ctx context.Context) error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-changed:
			}
			select {
			case <-ctx.Done():
				return nil
			case events <- event.GenericEvent{Object: &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: contract.TrustConfigMap}}}:
			}
		}
	}
}

func request(name string) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: name}}}
}

// always asks for the same key whatever happened.
func always(key types.NamespacedName) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: key}}
	})
}

// named passes only objects of these names.
func named(names ...string) builder.Predicates {
	return builder.WithPredicates(predicate.NewPredicateFuncs(func(object client.Object) bool {
		for _, name := range names {
			if object.GetName() == name {
				return true
			}
		}
		return false
	}))
}
