package rotate

import (
	"fmt"
	"log/slog"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/podflame/podflame/certs"
)

// Keys of our Secrets.
const (
	certificateKey  = "tls.crt"
	privateKey      = "tls.key"
	authorityKey    = "ca.crt"
	authorityKeyKey = "ca.key"
)

// Options say which certificates there are and for how long.
type Options struct {
	Namespace     string // of the Secrets and Services
	Secret        string // Secret of the CA and of the webhook's certificate
	Service       string // Service of the webhook
	Configuration string // MutatingWebhookConfiguration of the webhook

	BackendSecret   string   // Secret of the backend's certificate; empty for none
	BackendService  string   // Service of the backend
	BackendDNSNames []string // more names of the backend

	CALifetime    time.Duration // how long a new CA is valid
	CertLifetime  time.Duration // how long a new serving certificate is valid
	RenewBefore   time.Duration // a certificate with less left is renewed
	CheckEvery    time.Duration // time between two checks without any event
	Overlap       time.Duration // how long a replaced CA stays in the bundles
	Settle        time.Duration // how long a new CA is in the trust bundles before the backend's certificate is signed by it
	ServingSettle time.Duration // how long the published caBundle trusts a new webhook certificate before it is served

	Metrics *certs.Metrics
	Log     *slog.Logger
}

// DefaultSettle is longer than a kubelet takes to update a mounted ConfigMap.
const DefaultSettle = 10 * time.Minute

// backendCheck is the time between two looks at the backend's Secret. It is
// read, not watched: a right to watch Secrets can be limited to one name only
// per watch.
const backendCheck = time.Minute

// DefaultServingSettle is longer than API servers take to notice a changed
// webhook configuration.
const DefaultServingSettle = 10 * time.Second

func (o *Options) secretKey() types.NamespacedName {
	return types.NamespacedName{Namespace: o.Namespace, Name: o.Secret}
}

func (o *Options) backendKey() types.NamespacedName {
	return types.NamespacedName{Namespace: o.Namespace, Name: o.BackendSecret}
}

// WebhookName is the name by which the API server verifies the webhook.
func (o *Options) WebhookName() string { return serviceNames(o.Service, o.Namespace)[0] }

func (o *Options) backendNames() []string {
	return append(serviceNames(o.BackendService, o.Namespace), o.BackendDNSNames...)
}

// serviceNames are the names by which a Service is called inside the cluster,
// "service.namespace.svc" first.
func serviceNames(service, namespace string) []string {
	qualified := fmt.Sprintf("%s.%s", service, namespace)
	return []string{qualified + ".svc", qualified + ".svc.cluster.local", qualified, service}
}
