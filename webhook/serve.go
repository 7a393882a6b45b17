package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/podflame/podflame/webhook/internal/inject"
)

// serveCmd is the admission webhook of a cluster. Its flags are grouped by
// what they govern; all have defaults that suit manifests/base but the few
// that only the installation knows.
type serveCmd struct {
	Listen    listenFlags    `embed:"" group:"Addresses"`
	Cluster   clusterFlags   `embed:"" group:"Cluster"`
	Sidecar   sidecarFlags   `embed:"" group:"Sidecar"`
	Admission admissionFlags `embed:"" group:"Admission"`
	Certs     certsFlags     `embed:"" group:"Certificates"`
	Audit     auditFlags     `embed:"" group:"Audit"`
}

type listenFlags struct {
	Port           int           `default:"9443" env:"PODFLAME_PORT" help:"Port of the webhook itself (HTTPS)."`
	MetricsAddress string        `default:":8080" env:"PODFLAME_METRICS_ADDRESS" help:"Address of /metrics and /audit (HTTP); 0 for none."`
	HealthAddress  string        `default:":8081" env:"PODFLAME_HEALTH_ADDRESS" help:"Address of /livez and /readyz (HTTP); 0 for none."`
	Drain          time.Duration `default:"5s" env:"PODFLAME_DRAIN" help:"How long the webhook goes on serving after it was told to end, so that API servers find the other replicas first."`
}

type clusterFlags struct {
	Namespace      string        `default:"podflame-system" env:"PODFLAME_NAMESPACE" help:"Namespace of the webhook, its secrets and its leases."`
	Configuration  string        `default:"podflame" env:"PODFLAME_WEBHOOK_CONFIGURATION" help:"Name of the MutatingWebhookConfiguration."`
	Service        string        `default:"podflame-webhook" env:"PODFLAME_WEBHOOK_SERVICE" help:"Service through which the API server calls the webhook; the lease of the leader has its name too."`
	LeaderElection bool          `default:"true" negatable:"" env:"PODFLAME_LEADER_ELECTION" help:"Elect one replica to rotate certificates, publish the trust bundle and report audit findings; all replicas serve."`
	Lease          time.Duration `default:"60s" env:"PODFLAME_LEASE" help:"How long the leader stays one without a word from it. It ends, and is started again, when it reaches no API server for two thirds of this."`
}

type admissionFlags struct {
	DecisionTimeout time.Duration `default:"2s" env:"PODFLAME_DECISION_TIMEOUT" help:"After this long a pod is admitted unchanged; keep it below the webhook's timeoutSeconds."`
	MaxInFlight     int           `default:"64" env:"PODFLAME_MAX_IN_FLIGHT" help:"Requests worked on at once; more are admitted unchanged."`
	EventsPerSecond float64       `default:"5" env:"PODFLAME_EVENTS_PER_SECOND" help:"Kubernetes Events sent per second, by admission and by audit each; more are dropped and counted, or wait for the next audit."`
}

type certsFlags struct {
	Certs             string        `default:"self-managed" enum:"self-managed,files" env:"PODFLAME_CERTS" help:"Where the serving certificate comes from: self-managed in a Secret, or files (cert-manager)."`
	CertDir           string        `default:"/var/run/podflame/certs" env:"PODFLAME_CERT_DIR" help:"Directory of tls.crt, tls.key and ca.crt, with --certs=files."`
	CertPoll          time.Duration `default:"10s" env:"PODFLAME_CERT_POLL" help:"Time between two looks at those files."`
	CertSecret        string        `default:"podflame-webhook-certs" env:"PODFLAME_CERT_SECRET" help:"Secret of the CA and of the webhook's serving certificate."`
	BackendCertSecret string        `default:"podflame-backend-tls" env:"PODFLAME_BACKEND_CERT_SECRET" help:"Secret of the backend's serving certificate; empty for none."`
	BackendService    string        `default:"podflame-backend" env:"PODFLAME_BACKEND_SERVICE" help:"Service of the backend in our namespace, whose names its certificate carries."`
	BackendDNSNames   []string      `name:"backend-dns-names" env:"PODFLAME_BACKEND_DNS_NAMES" help:"More names for the backend's certificate."`
	CALifetime        time.Duration `name:"ca-lifetime" default:"87600h" env:"PODFLAME_CA_LIFETIME" help:"Lifetime of the CA."`
	CertLifetime      time.Duration `default:"8760h" env:"PODFLAME_CERT_LIFETIME" help:"Lifetime of a serving certificate."`
	CertRenewBefore   time.Duration `default:"2160h" env:"PODFLAME_CERT_RENEW_BEFORE" help:"A certificate with less than this left is renewed."`
	CertCheckEvery    time.Duration `default:"1h" env:"PODFLAME_CERT_CHECK_EVERY" help:"Time between two checks of the certificates."`
	CertSettle        time.Duration `default:"10s" env:"PODFLAME_CERT_SETTLE" help:"How long API servers have had the CA of a new certificate before it is served."`
	CAOverlap         time.Duration `name:"ca-overlap" default:"24h" env:"PODFLAME_CA_OVERLAP" help:"How long a replaced CA stays in the trust bundles beside the new one."`
	CASettle          time.Duration `name:"ca-settle" default:"10m" env:"PODFLAME_CA_SETTLE" help:"How long sidecars have had a new CA before the backend's certificate is signed by it."`
}

type auditFlags struct {
	AuditEvery time.Duration `default:"30s" env:"PODFLAME_AUDIT_EVERY" help:"Time between two audits of the pods that opted in."`
	AuditMax   int           `default:"1000" env:"PODFLAME_AUDIT_MAX" help:"Pods without the sidecar, or with one in trouble, that are looked at and served at /audit; more are only counted."`
}

// minLease leaves time for more than one try to keep a lease.
const minLease = 6 * time.Second

// Validate is called by kong after parsing.
func (c *serveCmd) Validate() error {
	if c.Sidecar.SidecarImage == "" {
		return fmt.Errorf("--sidecar-image is missing: give the image of the sidecar (PODFLAME_SIDECAR_IMAGE)")
	}
	for _, limit := range []struct {
		flag  string
		value float64
	}{
		{"decision-timeout", c.Admission.DecisionTimeout.Seconds()},
		{"max-in-flight", float64(c.Admission.MaxInFlight)},
		{"events-per-second", c.Admission.EventsPerSecond},
		{"audit-every", c.Audit.AuditEvery.Seconds()},
		{"audit-max", float64(c.Audit.AuditMax)},
		{"cert-check-every", c.Certs.CertCheckEvery.Seconds()},
		{"cert-poll", c.Certs.CertPoll.Seconds()},
	} {
		if limit.value <= 0 {
			return fmt.Errorf("--%s must be above 0", limit.flag)
		}
	}
	if c.Cluster.Lease < minLease {
		return fmt.Errorf("--lease=%s must be at least %s: leases are kept in whole seconds", c.Cluster.Lease, minLease)
	}
	if c.Certs.CertRenewBefore >= c.Certs.CertLifetime || c.Certs.CertLifetime > c.Certs.CALifetime {
		return fmt.Errorf("--cert-renew-before=%s must be below --cert-lifetime=%s, and that not above --ca-lifetime=%s",
			c.Certs.CertRenewBefore, c.Certs.CertLifetime, c.Certs.CALifetime)
	}
	if c.Certs.CASettle >= c.Certs.CAOverlap {
		return fmt.Errorf("--ca-settle=%s must be below --ca-overlap=%s", c.Certs.CASettle, c.Certs.CAOverlap)
	}
	return nil
}

// Run serves until the context ends.
func (c *serveCmd) Run(ctx context.Context, log *slog.Logger) error {
	logger := logr.FromSlogHandler(log.Handler())
	ctrl.SetLogger(logger)
	klog.SetLogger(logger)
	cluster, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find the cluster (KUBECONFIG, or the ServiceAccount of the pod): %w", err)
	}
	cluster.UserAgent = "podflame-webhook/" + programVersion()
	decisions, err := c.decisions(cluster)
	if err != nil {
		return err
	}
	log.Info("webhook starts", "version", decisions.Version, "cluster", decisions.Cluster, "namespace", c.Cluster.Namespace,
		"server", decisions.ServerVersion, "image", decisions.Image, "certs", c.Certs.Certs)
	return c.serve(ctx, log, cluster, decisions)
}

// decisions is the configuration of package inject for this cluster.
func (c *serveCmd) decisions(cluster *rest.Config) (inject.Config, error) {
	config, err := c.Sidecar.config()
	if err != nil {
		return inject.Config{}, err
	}
	config.ExcludedNamespaces = append(config.ExcludedNamespaces, c.Cluster.Namespace)
	if config.ServerVersion == "" {
		if config.ServerVersion, err = serverVersion(cluster); err != nil {
			return inject.Config{}, err
		}
	}
	if err := config.Validate(); err != nil {
		return inject.Config{}, fmt.Errorf("check flags of the sidecar: %w", err)
	}
	return config, nil
}

func serverVersion(cluster *rest.Config) (string, error) {
	client, err := discovery.NewDiscoveryClientForConfig(cluster)
	if err != nil {
		return "", fmt.Errorf("make client of %s: %w", cluster.Host, err)
	}
	found, err := client.ServerVersion()
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w; --server-version says it instead", cluster.Host, err)
	}
	return found.GitVersion, nil
}
