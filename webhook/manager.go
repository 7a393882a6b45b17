package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	ctrlwebhook "sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/podflame/podflame/certs"
	"github.com/podflame/podflame/certs/rotate"
	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/webhook/internal/admission"
	"github.com/podflame/podflame/webhook/internal/audit"
	"github.com/podflame/podflame/webhook/internal/inject"
)

// serve builds all parts around one manager and runs them until the context
// ends, and through the drain after that.
func (c *serveCmd) serve(ctx context.Context, log *slog.Logger, cluster *rest.Config, decisions inject.Config) error {
	certMetrics := certs.NewMetrics(metrics.Registry)
	files := certs.FilesIn(c.Certs.CertDir, c.Certs.CertPoll, certMetrics, log)
	pair := &files.Pair
	server := ctrlwebhook.NewServer(ctrlwebhook.Options{Port: c.Listen.Port, TLSOpts: []func(*tls.Config){pair.Configure}})
	mgr, err := ctrl.NewManager(cluster, c.managerOptions(server))
	if err != nil {
		return fmt.Errorf("make manager: %w", err)
	}
	if err := watchInEveryReplica(ctx, mgr); err != nil {
		return err
	}
	cleanUp, err := c.addCerts(ctx, mgr, files, certMetrics, log)
	if err != nil {
		return err
	}
	defer cleanUp()
	breaker := audit.NewBreaker(mgr.GetClient(), decisions.Image, log)
	if err := c.addAudit(mgr, decisions, breaker, log); err != nil {
		return err
	}
	// Asking the manager for the server is what makes the manager start it.
	mgr.GetWebhookServer().Register(admission.Path, lastOnConnection(ctx, c.admissionHandler(mgr, decisions, breaker, log)))
	if err := c.addChecks(mgr, pair); err != nil {
		return err
	}
	later, cancel := endLater(ctx, c.Listen.Drain)
	defer cancel()
	if err := mgr.Start(later); err != nil {
		return fmt.Errorf("run webhook: %w", err)
	}
	return nil
}

// managerOptions let the leader bear an API server that is slow for some time: to
// lose the lease ends a process, and what the leader does is not urgent.
func (c *serveCmd) managerOptions(server ctrlwebhook.Server) ctrl.Options {
	lease := c.Cluster.Lease
	renew, retry := lease*2/3, lease/6
	return ctrl.Options{
		Scheme:                        scheme.Scheme,
		Cache:                         c.cacheOptions(),
		WebhookServer:                 server,
		HealthProbeBindAddress:        c.Listen.HealthAddress,
		LivenessEndpointName:          "/livez",
		ReadinessEndpointName:         "/readyz",
		LeaderElection:                c.Cluster.LeaderElection,
		LeaderElectionID:              c.Cluster.Service,
		LeaderElectionNamespace:       c.Cluster.Namespace,
		LeaseDuration:                 &lease,
		RenewDeadline:                 &renew,
		RetryPeriod:                   &retry,
		LeaderElectionReleaseOnCancel: true, // run returns right after the manager, and nothing acts after that
		Metrics:                       metricsserver.Options{BindAddress: c.Listen.MetricsAddress},
	}
}

// cacheOptions limit each cache to what is needed: in bytes, and in the rights
// that its watch takes.
func (c *serveCmd) cacheOptions() cache.Options {
	named := func(name string) cache.ByObject {
		return cache.ByObject{Field: fields.OneTermEqualSelector("metadata.name", name)}
	}
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}:       {Transform: audit.Slim},
			&corev1.ConfigMap{}: named(contract.TrustConfigMap),
			&corev1.Secret{}: {Namespaces: map[string]cache.Config{
				c.Cluster.Namespace: {FieldSelector: fields.OneTermEqualSelector("metadata.name", c.Certs.CertSecret)},
			}},
			&admissionregistrationv1.MutatingWebhookConfiguration{}: named(c.Cluster.Configuration),
		},
	}
}

// watchInEveryReplica starts the watches that no controller of ours starts
// before it leads.
func watchInEveryReplica(ctx context.Context, mgr manager.Manager) error {
	namespaces := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}}
	for _, object := range []client.Object{namespaces, &corev1.Pod{}, &corev1.LimitRange{}, &corev1.ResourceQuota{}, &networkingv1.NetworkPolicy{}, &admissionregistrationv1.MutatingWebhookConfiguration{}} {
		if _, err := mgr.GetCache().GetInformer(ctx, object); err != nil {
			return fmt.Errorf("watch %T: %w", object, err)
		}
	}
	return nil
}

func (c *serveCmd) addCerts(ctx context.Context, mgr manager.Manager, files *certs.Files, certMetrics *certs.Metrics, log *slog.Logger) (cleanUp func(), err error) {
	options := rotate.Options{
		Namespace:       c.Cluster.Namespace,
		Secret:          c.Certs.CertSecret,
		Service:         c.Cluster.Service,
		Configuration:   c.Cluster.Configuration,
		BackendSecret:   c.Certs.BackendCertSecret,
		BackendService:  c.Certs.BackendService,
		BackendDNSNames: c.Certs.BackendDNSNames,
		CALifetime:      c.Certs.CALifetime,
		CertLifetime:    c.Certs.CertLifetime,
		RenewBefore:     c.Certs.CertRenewBefore,
		CheckEvery:      c.Certs.CertCheckEvery,
		Overlap:         c.Certs.CAOverlap,
		Settle:          c.Certs.CASettle,
		ServingSettle:   c.Certs.CertSettle,
		Metrics:         certMetrics,
		Log:             log,
	}
	if c.Certs.Certs == "files" {
		return func() {}, addFiles(mgr, files, log)
	}
	if cleanUp, err = rotate.Add(ctx, mgr, &files.Pair, options); err != nil {
		return nil, fmt.Errorf("add certificates: %w", err)
	}
	trust := rotate.SelfManaged(mgr, options)
	trust.Wants = audit.WantsTrust
	secret := types.NamespacedName{Namespace: options.Namespace, Name: options.Secret}
	if err := rotate.AddTrust(mgr, metrics.Registry, trust, secret); err != nil {
		cleanUp()
		return nil, err
	}
	return cleanUp, nil
}

// addFiles serves mounted certificates and publishes their CA as it is.
func addFiles(mgr manager.Manager, files *certs.Files, log *slog.Logger) error {
	if err := mgr.Add(everyReplica{files.Run}); err != nil {
		return fmt.Errorf("add certificate files: %w", err)
	}
	return rotate.AddTrust(mgr, metrics.Registry, &rotate.Trust{
		Bundle:  func(context.Context) ([]byte, error) { return files.Bundle(), nil },
		Merge:   func(current, _ []byte) []byte { return current },
		Wants:   audit.WantsTrust,
		Changed: files.Changed(),
		Log:     log,
	}, types.NamespacedName{})
}

func (c *serveCmd) admissionHandler(mgr manager.Manager, decisions inject.Config, breaker *audit.Breaker, log *slog.Logger) http.Handler {
	counters := admission.NewMetrics(metrics.Registry)
	return admission.New(mgr.GetScheme(), admission.Options{
		Inject:      decisions,
		Timeout:     c.Admission.DecisionTimeout,
		MaxInFlight: c.Admission.MaxInFlight,
		Namespaces: admission.Cluster{
			Cache: mgr.GetClient(), Live: mgr.GetAPIReader(), Unpullable: breaker.Unpullable, Metrics: counters, Log: log,
		},
		Reporter: admission.NewOwnerEvents(mgr.GetEventRecorder("podflame.io/webhook"), c.Admission.EventsPerSecond, counters),
		Metrics:  counters,
		Log:      log,
	})
}

func (c *serveCmd) addAudit(mgr manager.Manager, decisions inject.Config, breaker *audit.Breaker, log *slog.Logger) error {
	instance, err := os.Hostname()
	if err != nil {
		instance = c.Cluster.Service
	}
	counters := audit.NewMetrics(metrics.Registry)
	auditor := audit.New(audit.Options{
		Cache:     mgr.GetClient(),
		Live:      mgr.GetAPIReader(),
		Inject:    decisions,
		Every:     c.Audit.AuditEvery,
		Max:       c.Audit.AuditMax,
		Leader:    mgr.Elected(),
		Announcer: audit.NewEvents(mgr.GetClient(), instance, c.Admission.EventsPerSecond, counters, log),
		Breaker:   breaker,
		Metrics:   counters,
		Log:       log,
	})
	if err := mgr.Add(auditor); err != nil {
		return fmt.Errorf("add audit: %w", err)
	}
	if err := mgr.AddMetricsServerExtraHandler(audit.Path, auditor); err != nil {
		return fmt.Errorf("serve %s: %w", audit.Path, err)
	}
	return nil
}

// addChecks makes a replica ready only when API servers can call it: it
// listens, its certificate is trusted, and it knows the namespaces.
func (c *serveCmd) addChecks(mgr manager.Manager, pair *certs.Pair) error {
	name := c.Cluster.Service + "." + c.Cluster.Namespace + ".svc"
	for check, checker := range map[string]healthz.Checker{
		"listens":     mgr.GetWebhookServer().StartedChecker(),
		"certificate": rotate.Readiness(pair, mgr.GetClient(), c.Cluster.Configuration, name),
		"caches":      synced(mgr.GetCache()),
	} {
		if err := mgr.AddReadyzCheck(check, checker); err != nil {
			return fmt.Errorf("add check %s: %w", check, err)
		}
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("add check ping: %w", err)
	}
	return nil
}

func synced(informers cache.Informers) healthz.Checker {
	return func(request *http.Request) error {
		ctx, cancel := context.WithTimeout(request.Context(), 100*time.Millisecond)
		defer cancel()
		if !informers.WaitForCacheSync(ctx) {
			return fmt.Errorf("caches of the cluster's objects are not filled yet")
		}
		return nil
	}
}
