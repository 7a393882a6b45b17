package check

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/version"

	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/webhook/internal/inject"
)

const install = "Install the manifests, or name what they are called with --system-namespace, --deployment and --configuration"

var leastServer = version.MustParseGeneric("1.30")

func (i Installation) version(context.Context) []Result {
	server, err := i.Client.Discovery().ServerVersion()
	if err != nil {
		return unanswered("ask the API server for its version", err, "Check KUBECONFIG and the way to the API server")
	}
	found, err := version.ParseGeneric(server.GitVersion)
	if err != nil || found.LessThan(leastServer) {
		return failed(server.GitVersion, "Use Kubernetes 1.30 or later: the webhook's matchConditions need it")
	}
	return passed()
}

func (i Installation) deployment(ctx context.Context) []Result {
	found, err := i.Client.AppsV1().Deployments(i.Namespace).Get(ctx, i.Service, metav1.GetOptions{})
	if err != nil {
		return unanswered("read the webhook's Deployment", err, install)
	}
	detail := fmt.Sprintf("%d of %d replicas are ready", found.Status.ReadyReplicas, found.Status.Replicas)
	remedy := fmt.Sprintf("kubectl -n %s describe pods -l app.kubernetes.io/name=%s", i.Namespace, i.Service)
	switch found.Status.ReadyReplicas {
	case 0:
		return failed(detail, remedy)
	case 1:
		return []Result{warned(detail, remedy)}
	}
	return passed()
}

func (i Installation) settings(context.Context) []Result {
	if i.SettingsError != nil {
		return failed(i.SettingsError.Error(), "Correct the settings of the webhook's Deployment")
	}
	return passed()
}

func (i Installation) find(ctx context.Context) (*admissionregistrationv1.MutatingWebhookConfiguration, error) {
	return i.Client.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(ctx, i.Configuration, metav1.GetOptions{})
}

func (i Installation) configuration(ctx context.Context) []Result {
	found, err := i.find(ctx)
	if err != nil {
		return unanswered("read the webhook configuration", err, install)
	}
	var results []Result
	if len(found.Webhooks) == 0 {
		return failed("it has no webhook", install)
	}
	for _, webhook := range found.Webhooks {
		service := webhook.ClientConfig.Service
		switch {
		case service == nil:
			results = append(results, warned(webhook.Name+" is called by a URL", ""))
		case service.Namespace != i.Namespace || service.Name != i.Service:
			results = append(results, failed(fmt.Sprintf("%s calls Service %s/%s", webhook.Name, service.Namespace, service.Name), install)...)
		}
		if webhook.FailurePolicy == nil || *webhook.FailurePolicy != admissionregistrationv1.Ignore {
			results = append(results, warned(webhook.Name+" has not failurePolicy Ignore: while the webhook is away, pods cannot be created", "Set failurePolicy: Ignore"))
		}
	}
	return orPassed(results)
}

// soon is how long before its end a certificate is a warning.
const soon = 7 * 24 * time.Hour

func (i Installation) caBundle(ctx context.Context) []Result {
	found, err := i.find(ctx)
	if err != nil {
		return unanswered("read the webhook configuration", err, install)
	}
	var results []Result
	for _, webhook := range found.Webhooks {
		certificates, err := parse(webhook.ClientConfig.CABundle)
		switch {
		case err != nil:
			results = append(results, failed(webhook.Name+": "+err.Error(), "See the webhook's log; GitOps tools must leave caBundle alone")...)
		case len(certificates) == 0:
			results = append(results, failed(webhook.Name+" has an empty caBundle", "See the webhook's log; GitOps tools must leave caBundle alone")...)
		case !slices.ContainsFunc(certificates, func(c *x509.Certificate) bool { return time.Until(c.NotAfter) > 0 }):
			results = append(results, failed(webhook.Name+": all have expired", "See the webhook's log")...)
		case !slices.ContainsFunc(certificates, func(c *x509.Certificate) bool { return time.Until(c.NotAfter) > soon }):
			results = append(results, warned(webhook.Name+": all expire within a week", "See the webhook's log"))
		}
	}
	return orPassed(results)
}

func parse(bundle []byte) ([]*x509.Certificate, error) {
	var certificates []*x509.Certificate
	for rest := bytes.TrimSpace(bundle); len(rest) > 0; {
		block, after := pem.Decode(rest)
		if block == nil {
			return nil, fmt.Errorf("caBundle is not PEM")
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read a certificate of caBundle: %w", err)
		}
		certificates, rest = append(certificates, certificate), bytes.TrimSpace(after)
	}
	return certificates, nil
}

// injects sends a pod that asks through the API server, as a dry run: the whole
// way of a real one.
func (i Installation) injects(ctx context.Context) []Result {
	probe := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "podflame-check-", Annotations: map[string]string{contract.Enabled: "true"}},
		Spec: corev1.PodSpec{
			SecurityContext: &corev1.PodSecurityContext{RunAsUser: new(int64(65532)), RunAsGroup: new(int64(65532))},
			Containers:      []corev1.Container{{Name: "app", Image: "podflame.example/check"}},
		},
	}
	admitted, err := i.Client.CoreV1().Pods(corev1.NamespaceDefault).Create(ctx, probe, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return unanswered("create a pod in namespace default as a dry run", err, "See the message: something else refuses pods there")
	}
	status, told := inject.StatusOf(admitted)
	switch {
	case inject.HasSidecar(admitted):
		return passed()
	case told:
		return failed(fmt.Sprintf("the webhook answers %s: %s", status.Reason, status.Detail), status.Remedy)
	}
	return failed("the pod came back unchanged: the API server was not answered, or does not call the webhook",
		fmt.Sprintf("See the API server's log for %q, the network policies of %s, and that the control plane reaches port 9443 of its pods (on private clusters: a firewall rule)", "failed calling webhook", i.Namespace))
}

// rights are asked of the API server on behalf of the webhook's ServiceAccount.
func (i Installation) rights(ctx context.Context) []Result {
	deployment, err := i.Client.AppsV1().Deployments(i.Namespace).Get(ctx, i.Service, metav1.GetOptions{})
	if err != nil {
		return unanswered("read the webhook's Deployment", err, install)
	}
	account := fmt.Sprintf("system:serviceaccount:%s:%s", i.Namespace, deployment.Spec.Template.Spec.ServiceAccountName)
	var missing []string
	for _, right := range []authorizationv1.ResourceAttributes{
		{Verb: "watch", Resource: "pods"}, {Verb: "watch", Resource: "namespaces"}, {Verb: "watch", Resource: "limitranges"}, {Verb: "watch", Resource: "resourcequotas"},
		{Verb: "watch", Group: "networking.k8s.io", Resource: "networkpolicies"},
		{Verb: "create", Group: "events.k8s.io", Resource: "events"},
		{Verb: "update", Group: "admissionregistration.k8s.io", Resource: "mutatingwebhookconfigurations", Name: i.Configuration},
		{Verb: "update", Resource: "configmaps", Name: contract.TrustConfigMap},
		{Verb: "create", Group: "coordination.k8s.io", Resource: "leases", Namespace: i.Namespace},
	} {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: account, ResourceAttributes: &right}}
		answer, err := i.Client.AuthorizationV1().SubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
		if err != nil {
			return unanswered("ask for the rights of "+account, err, "")
		}
		if !answer.Status.Allowed {
			missing = append(missing, right.Verb+" "+right.Resource)
		}
	}
	if len(missing) > 0 {
		return failed(account+" may not "+strings.Join(missing, ", "), "Apply the ClusterRole and Role of the manifests again")
	}
	return passed()
}
