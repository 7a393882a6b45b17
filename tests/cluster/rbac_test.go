package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

var allVerbs = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "bind", "escalate", "impersonate", "approve", "sign"}

// TestRightsAreExactlyThese acts as each ServiceAccount and asks for every verb
// on every resource that the server knows, in our namespace and in another.
// What is granted beyond what any ServiceAccount may must be this list.
func TestRightsAreExactlyThese(t *testing.T) {
	want := map[string][]string{
		"podflame-webhook": {
			"everywhere: apps/replicasets get",
			"everywhere: apps/statefulsets get",
			"everywhere: batch/jobs get",
			"everywhere: configmaps create",
			"everywhere: events.k8s.io/events create,patch",
			"everywhere: limitranges get,list,watch",
			"everywhere: namespaces get,list,watch",
			"everywhere: networking.k8s.io/networkpolicies get,list,watch",
			"everywhere: pods get,list,watch",
			"everywhere: resourcequotas get,list,watch",
			"ours: coordination.k8s.io/leases create",
			"ours: events create,patch",
			"ours: secrets create",
		},
		"podflame-backend": {
			"everywhere: authentication.k8s.io/tokenreviews create",
			"everywhere: authorization.k8s.io/subjectaccessreviews create",
		},
	}
	resources := serverResources(t)
	everybody := rights(t, "default", "default", resources)
	for account, granted := range want {
		t.Run(account, func(t *testing.T) {
			var beyond []string
			for _, right := range rights(t, systemNamespace, account, resources) {
				if !slices.Contains(everybody, right) {
					beyond = append(beyond, right)
				}
			}
			if diff := cmp.Diff(granted, beyond); diff != "" {
				t.Errorf("rights of %s (-want +granted):\n%s", account, diff)
			}
		})
	}
}

// TestNamedRights shows what is granted for single objects, and that the same
// is denied for any other.
func TestNamedRights(t *testing.T) {
	type object struct{ namespace, group, resource, name string }
	for _, row := range []struct {
		verbs   string
		allowed object
		denied  string // another name
	}{
		{"get,list,watch,update,patch", object{systemNamespace, "", "secrets", "podflame-webhook-certs"}, "podflame-clickhouse"},
		{"get,list,watch,update,patch", object{systemNamespace, "", "secrets", "podflame-backend-tls"}, "podflame-ca"},
		{"get,update", object{systemNamespace, "coordination.k8s.io", "leases", "podflame-webhook"}, "other"},
		{"get,list,watch,update,patch", object{"", "admissionregistration.k8s.io", "mutatingwebhookconfigurations", "podflame"}, "istio-sidecar-injector"},
		{"get,list,watch,update,delete", object{"default", "", "configmaps", "podflame-trust"}, "kube-root-ca.crt"},
	} {
		client := clientAs(t, systemNamespace, "podflame-webhook")
		for verb := range strings.SplitSeq(row.verbs, ",") {
			o := row.allowed
			if !may(t, client, verb, o.namespace, o.group, o.resource, o.name) {
				t.Errorf("podflame-webhook may not %s %s/%s", verb, o.resource, o.name)
			}
			if may(t, client, verb, o.namespace, o.group, o.resource, row.denied) {
				t.Errorf("podflame-webhook may %s %s/%s", verb, o.resource, row.denied)
			}
		}
		if may(t, client, "delete", systemNamespace, "", "secrets", "podflame-webhook-certs") {
			t.Error("podflame-webhook may delete its Secret")
		}
	}
}

// TestDeniedForReal does what an attacker with the token of a ServiceAccount
// would: the answers must be 403, not merely a review's "no".
func TestDeniedForReal(t *testing.T) {
	ctx := testContext(t)
	for _, account := range []string{"podflame-webhook", "podflame-backend"} {
		client := clientAs(t, systemNamespace, account)
		attempts := map[string]error{}
		_, attempts["list secrets of our namespace"] = client.CoreV1().Secrets(systemNamespace).List(ctx, metav1.ListOptions{})
		_, attempts["list secrets of the cluster"] = client.CoreV1().Secrets("").List(ctx, metav1.ListOptions{})
		_, attempts["create a pod"] = client.CoreV1().Pods("default").Create(ctx, plainPod("denied"), metav1.CreateOptions{})
		_, attempts["list webhook configurations"] = client.AdmissionregistrationV1().MutatingWebhookConfigurations().List(ctx, metav1.ListOptions{})
		_, attempts["list cluster roles"] = client.RbacV1().ClusterRoles().List(ctx, metav1.ListOptions{})
		attempts["delete the namespace"] = client.CoreV1().Namespaces().Delete(ctx, systemNamespace, metav1.DeleteOptions{})
		for attempt, err := range attempts {
			if !apierrors.IsForbidden(err) {
				t.Errorf("%s tries to %s: %v, want Forbidden", account, attempt, err)
			}
		}
	}
}

// TestCreatesByNameOnly shows what RBAC cannot: the webhook creates objects of
// its own names only, and nobody else is held up.
func TestCreatesByNameOnly(t *testing.T) {
	ctx := testContext(t)
	namespace := newNamespace(t, "creates", nil)
	webhook := clientAs(t, systemNamespace, "podflame-webhook")
	configMap := func(client kubernetes.Interface, meta metav1.ObjectMeta) error {
		_, err := client.CoreV1().ConfigMaps(namespace).Create(ctx, &corev1.ConfigMap{ObjectMeta: meta}, metav1.CreateOptions{})
		return err
	}
	secret := func(meta metav1.ObjectMeta) error {
		_, err := webhook.CoreV1().Secrets(systemNamespace).Create(ctx, &corev1.Secret{ObjectMeta: meta}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	}
	eventually(t, "the policy is in force", func(context.Context) (bool, string) {
		err := configMap(webhook, metav1.ObjectMeta{GenerateName: "any-"})
		return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "podflame-webhook-creates"), fmt.Sprint(err)
	})
	if err := configMap(webhook, metav1.ObjectMeta{Name: "kube-root-ca.crt"}); !apierrors.IsForbidden(err) {
		t.Errorf("ConfigMap of another name: %v", err)
	}
	if err := configMap(webhook, metav1.ObjectMeta{Name: "podflame-trust"}); err != nil {
		t.Errorf("trust bundle: %v", err)
	}
	for _, meta := range []metav1.ObjectMeta{{Name: "bootstrap-token"}, {GenerateName: "podflame-backend-tls"}} {
		if err := secret(meta); !apierrors.IsForbidden(err) {
			t.Errorf("Secret %+v: %v", meta, err)
		}
	}
	if err := secret(metav1.ObjectMeta{Name: "podflame-webhook-certs"}); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Errorf("own Secret: %v", err)
	}
	if err := configMap(shared.Client, metav1.ObjectMeta{Name: "somebody-elses"}); err != nil {
		t.Errorf("ConfigMap of somebody else: %v", err)
	}
}

type resource struct {
	group, name string
	namespaced  bool
}

// serverResources are the resources and subresources of all groups.
func serverResources(t testing.TB) []resource {
	t.Helper()
	_, lists, err := shared.Client.Discovery().ServerGroupsAndResources()
	if err != nil {
		t.Fatal(err)
	}
	var found []resource
	for _, list := range lists {
		group, _, ok := strings.Cut(list.GroupVersion, "/")
		if !ok {
			group = ""
		}
		for _, r := range list.APIResources {
			found = append(found, resource{group, r.Name, r.Namespaced})
		}
	}
	slices.SortFunc(found, func(a, b resource) int { return strings.Compare(a.group+"/"+a.name, b.group+"/"+b.name) })
	return slices.Compact(found)
}

// rights are what a ServiceAccount may do to objects of any name: "everywhere"
// for the cluster and every namespace, "ours" for our namespace alone.
func rights(t testing.TB, namespace, account string, resources []resource) []string {
	t.Helper()
	client := clientAs(t, namespace, account)
	var granted []string
	for _, r := range resources {
		everywhere, ours := []string{}, []string{}
		for _, verb := range allVerbs {
			if may(t, client, verb, "", r.group, r.name, "") {
				everywhere = append(everywhere, verb)
			} else if r.namespaced && may(t, client, verb, systemNamespace, r.group, r.name, "") {
				ours = append(ours, verb)
			}
		}
		name := strings.TrimPrefix(r.group+"/"+r.name, "/")
		if len(everywhere) > 0 {
			granted = append(granted, fmt.Sprintf("everywhere: %s %s", name, strings.Join(everywhere, ",")))
		}
		if len(ours) > 0 {
			granted = append(granted, fmt.Sprintf("ours: %s %s", name, strings.Join(ours, ",")))
		}
	}
	slices.Sort(granted)
	return granted
}

func may(t testing.TB, client kubernetes.Interface, verb, namespace, group, name, object string) bool {
	t.Helper()
	name, subresource, _ := strings.Cut(name, "/")
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: namespace, Verb: verb, Group: group, Version: "*", Resource: name, Subresource: subresource, Name: object,
		},
	}}
	answer, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(context.Background(), review, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return answer.Status.Allowed
}

func clientAs(t testing.TB, namespace, account string) kubernetes.Interface {
	t.Helper()
	config, err := shared.As(testContext(t), namespace, account)
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}
