package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"
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
	Port           int    `default:"9443" env:"PODFLAME_PORT" help:"Port of the webhook itself (HTTPS)."`
	MetricsAddress string `default:":8080" env:"PODFLAME_METRICS_ADDRESS" help:"Address of /metrics and /audit (HTTP); 0 for none."`
	HealthAddress  string `default:":8081" env:"PODFLAME_HEALTH_ADDRESS" help:"Address of /livez and /readyz (HTTP); 0 for none."`
}

type clusterFlags struct {
	Cluster        string `default:"default" env:"PODFLAME_CLUSTER" help:"Name of this cluster, given to the sidecars."`
	Namespace      string `default:"podflame" env:"PODFLAME_NAMESPACE" help:"Namespace of the webhook, its secrets and its leases."`
	Configuration  string `default:"podflame" env:"PODFLAME_WEBHOOK_CONFIGURATION" help:"Name of the MutatingWebhookConfiguration."`
	Service        string `default:"podflame-webhook" env:"PODFLAME_WEBHOOK_SERVICE" help:"Service through which the API server calls the webhook."`
	LeaderElection bool   `default:"true" negatable:"" env:"PODFLAME_LEADER_ELECTION" help:"Elect one replica to rotate certificates and report audit findings; all replicas serve."`
}

type sidecarFlags struct {
	SidecarImage      string `required:"" env:"PODFLAME_SIDECAR_IMAGE" help:"Image of the sidecar."`
	SidecarPullPolicy string `default:"IfNotPresent" enum:"Always,IfNotPresent,Never" env:"PODFLAME_SIDECAR_PULL_POLICY" help:"Pull policy of that image."`
	BackendURL        string `default:"https://podflame-backend.podflame.svc:8443" env:"PODFLAME_BACKEND" help:"URL that the sidecars upload to."`
	NativeSidecar     string `default:"auto" enum:"auto,true,false" env:"PODFLAME_NATIVE_SIDECAR" help:"Inject as a native sidecar: true, false, or auto by the version of the API server."`
	CPURequest        string `default:"20m" env:"PODFLAME_SIDECAR_CPU_REQUEST" help:"CPU request of a sidecar without the annotation."`
	CPULimit          string `default:"500m" env:"PODFLAME_SIDECAR_CPU_LIMIT" help:"CPU limit of a sidecar without the annotation."`
	MemoryRequest     string `default:"64Mi" env:"PODFLAME_SIDECAR_MEMORY_REQUEST" help:"Memory request of a sidecar without the annotation."`
	MemoryLimit       string `default:"384Mi" env:"PODFLAME_SIDECAR_MEMORY_LIMIT" help:"Memory limit of a sidecar without the annotation."`
	MaxCPU            string `default:"2" env:"PODFLAME_SIDECAR_MAX_CPU" help:"Most CPU that an annotation may ask for."`
	MaxMemory         string `default:"2Gi" env:"PODFLAME_SIDECAR_MAX_MEMORY" help:"Most memory that an annotation may ask for."`
}

type admissionFlags struct {
	DecisionTimeout time.Duration `default:"2s" env:"PODFLAME_DECISION_TIMEOUT" help:"After this long a pod is admitted unchanged; keep it below the webhook's timeoutSeconds."`
	MaxInFlight     int           `default:"64" env:"PODFLAME_MAX_IN_FLIGHT" help:"Requests worked on at once; more are admitted unchanged."`
	EventsPerSecond float64       `default:"5" env:"PODFLAME_EVENTS_PER_SECOND" help:"Kubernetes Events sent per second, by admission and by audit each; more are dropped and counted."`
}

type certsFlags struct {
	Certs             string        `default:"self-managed" enum:"self-managed,files" env:"PODFLAME_CERTS" help:"Where the serving certificate comes from: self-managed in a Secret, or files (cert-manager)."`
	CertDir           string        `default:"/var/run/podflame/certs" env:"PODFLAME_CERT_DIR" help:"Directory of tls.crt, tls.key and ca.crt, with --certs=files."`
	CertSecret        string        `default:"podflame-webhook-certs" env:"PODFLAME_CERT_SECRET" help:"Secret of the CA and of the webhook's serving certificate."`
	BackendCertSecret string        `default:"podflame-backend-tls" env:"PODFLAME_BACKEND_CERT_SECRET" help:"Secret of the backend's serving certificate; empty for none."`
	BackendService    string        `default:"podflame-backend" env:"PODFLAME_BACKEND_SERVICE" help:"Service of the backend in our namespace, whose names its certificate carries."`
	BackendDNSNames   []string      `env:"PODFLAME_BACKEND_DNS_NAMES" help:"More names for the backend's certificate."`
	CALifetime        time.Duration `default:"87600h" env:"PODFLAME_CA_LIFETIME" help:"Lifetime of the CA."`
	CertLifetime      time.Duration `default:"8760h" env:"PODFLAME_CERT_LIFETIME" help:"Lifetime of a serving certificate."`
	CertRenewBefore   time.Duration `default:"2160h" env:"PODFLAME_CERT_RENEW_BEFORE" help:"A certificate with less than this left is renewed."`
	CertCheckEvery    time.Duration `default:"1h" env:"PODFLAME_CERT_CHECK_EVERY" help:"Time between two checks of the certificates."`
	CAOverlap         time.Duration `default:"24h" env:"PODFLAME_CA_OVERLAP" help:"How long a replaced CA stays in the trust bundle beside the new one."`
}

type auditFlags struct {
	AuditEvery time.Duration `default:"30s" env:"PODFLAME_AUDIT_EVERY" help:"Time between two audits of the pods that opted in."`
	AuditMax   int           `default:"1000" env:"PODFLAME_AUDIT_MAX" help:"Findings kept and served at /audit; more are only counted."`
}

// Validate is called by kong after parsing.
func (c *serveCmd) Validate() error {
	if c.Admission.MaxInFlight < 1 {
		return fmt.Errorf("--max-in-flight=%d is below 1", c.Admission.MaxInFlight)
	}
	if c.Certs.CertRenewBefore >= c.Certs.CertLifetime || c.Certs.CertLifetime > c.Certs.CALifetime {
		return fmt.Errorf("--cert-renew-before=%s must be below --cert-lifetime=%s, and that not above --ca-lifetime=%s",
			c.Certs.CertRenewBefore, c.Certs.CertLifetime, c.Certs.CALifetime)
	}
	return nil
}

// Run serves until the context ends.
func (c *serveCmd) Run(ctx context.Context, log *slog.Logger) error {
	log.Info("webhook starts", "cluster", c.Cluster.Cluster, "namespace", c.Cluster.Namespace)
	<-ctx.Done()
	return nil
}
