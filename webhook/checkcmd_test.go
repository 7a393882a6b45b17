package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiversion "k8s.io/apimachinery/pkg/version"
	fakediscovery "k8s.io/client-go/discovery/fake"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/webhook/internal/inject"
)

func named(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}

// settings are those of the webhook, one of them none of the sidecar.
func settings() map[string]string {
	return map[string]string{"PODFLAME_SIDECAR_IMAGE": "registry.example/sidecar:2", "PODFLAME_CLUSTER": "east", "PODFLAME_AUDIT_EVERY": "1m"}
}

// installation is a cluster in which all is well; changes spoil it.
func installation(t *testing.T, more ...runtime.Object) *fake.Clientset {
	t.Helper()
	ignore := admissionregistrationv1.Ignore
	objects := append([]runtime.Object{
		&corev1.Namespace{ObjectMeta: named("", "shop")},
		&corev1.ConfigMap{ObjectMeta: named("podflame-system", "settings"), Data: settings()},
		&appsv1.Deployment{ObjectMeta: named("podflame-system", "podflame-webhook"), Status: appsv1.DeploymentStatus{Replicas: 2, ReadyReplicas: 2}, Spec: appsv1.DeploymentSpec{
			Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{ServiceAccountName: "podflame-webhook", Containers: []corev1.Container{{
				EnvFrom: []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}}},
			}}}},
		}},
		&admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: named("", "podflame"), Webhooks: []admissionregistrationv1.MutatingWebhook{{
			Name: "pods.profiling.io", FailurePolicy: &ignore,
			ClientConfig: admissionregistrationv1.WebhookClientConfig{Service: &admissionregistrationv1.ServiceReference{Namespace: "podflame-system", Name: "podflame-webhook"}},
		}}},
		&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n", Labels: map[string]string{corev1.LabelArchStable: "amd64"}}},
	}, more...)
	client := fake.NewClientset(objects...)
	client.Discovery().(*fakediscovery.FakeDiscovery).FakedServerVersion = &apiversion.Info{GitVersion: "v1.34.4"}
	client.PrependReactor("create", "subjectaccessreviews", func(k8stesting.Action) (bool, runtime.Object, error) {
		return true, &authorizationv1.SubjectAccessReview{Status: authorizationv1.SubjectAccessReviewStatus{Allowed: true}}, nil
	})
	client.PrependReactor("create", "pods", func(action k8stesting.Action) (bool, runtime.Object, error) {
		pod := action.(k8stesting.CreateAction).GetObject().(*corev1.Pod).DeepCopy()
		return true, profiled(t, pod), nil
	})
	return client
}

// profiled is a pod as the webhook makes it.
func profiled(t *testing.T, pod *corev1.Pod) *corev1.Pod {
	t.Helper()
	flags, err := flagsFrom(settings())
	if err != nil {
		t.Fatal(err)
	}
	config, err := flags.config()
	if err != nil {
		t.Fatal(err)
	}
	config.ServerVersion = "v1.34.4"
	return inject.Apply(pod, inject.Decide(pod, nil, config), config)
}

func asks(name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Annotations: map[string]string{contract.Enabled: "true"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app:1"}}},
	}
}

func forbidden(resource string) error {
	return apierrors.NewForbidden(schema.GroupResource{Resource: resource}, "", errors.New("no right"))
}

// noRegistry is a registry that cannot be reached.
type noRegistry struct{}

func (noRegistry) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("no network in this test")
}

func runCheck(t *testing.T, client *fake.Clientset, target string) (string, error) {
	t.Helper()
	command := checkCmd{Target: target, Namespace: "shop", System: "podflame-system", Configuration: "podflame", Deployment: "podflame-webhook", Color: "auto", registry: noRegistry{}}
	var out bytes.Buffer
	err := command.check(context.Background(), client, &out)
	return out.String(), err
}

// TestCheckFindsEachFault spoils one thing after the other.
func TestCheckFindsEachFault(t *testing.T) {
	deny := networkingv1.NetworkPolicy{ObjectMeta: named("shop", "deny"), Spec: networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress}}}
	waits := profiled(t, asks("waits"))
	waits.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: contract.ContainerName, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull"}}}}
	old := profiled(t, asks("old"))
	old.Spec.InitContainers[0].Image = "registry.example/sidecar:1"
	for name, c := range map[string]struct {
		more []runtime.Object
		want []string
	}{
		"image":     {[]runtime.Object{waits}, []string{"× no pod waits for the sidecar's image", "registry.example/sidecar:2: ErrImagePull, of shop/waits"}},
		"version":   {[]runtime.Object{old}, []string{"‼ all sidecars are of the version", "1 pods have registry.example/sidecar:1, new ones get registry.example/sidecar:2"}},
		"egress":    {[]runtime.Object{profiled(t, asks("cut")), &deny}, []string{"‼ network policies let sidecars", "namespace shop, pods cut", "TCP port 8443"}},
		"namespace": {[]runtime.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "x", Annotations: map[string]string{contract.Enabled: "true"}}}}, []string{"‼ namespaces opt in", "namespace x"}},
		"node": {[]runtime.Object{&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "s", Labels: map[string]string{corev1.LabelArchStable: "s390x"}}}},
			[]string{"‼ no node is of an architecture without sidecars", "s390x"}},
		"storage": {[]runtime.Object{&corev1.PersistentVolumeClaim{ObjectMeta: named("podflame-system", "data"), Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimPending}}},
			[]string{"‼ volumes find a storage class", "claim data is Pending", "no default StorageClass"}},
	} {
		text, err := runCheck(t, installation(t, c.more...), "")
		for _, want := range append(c.want, "× caBundle", "√ the API server reaches the webhook") {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", name, want, text)
			}
		}
		if exitCode(err) != exitSkipped {
			t.Errorf("%s: error %v, want exit code %d", name, err, exitSkipped)
		}
	}
}

// TestCheckOfNothing: without an installation each check says so.
func TestCheckOfNothing(t *testing.T) {
	text, err := runCheck(t, fake.NewClientset(), "")
	if exitCode(err) != exitSkipped || !strings.Contains(text, "× the webhook runs") || !strings.Contains(text, "Install the manifests") {
		t.Errorf("%v:\n%s", err, text)
	}
}

// TestCheckNeedsRights: what may not be looked at is no fault.
func TestCheckNeedsRights(t *testing.T) {
	client := installation(t)
	client.PrependReactor("list", "nodes", func(k8stesting.Action) (bool, runtime.Object, error) {
		return true, nil, forbidden("nodes")
	})
	if text, _ := runCheck(t, client, ""); !strings.Contains(text, "? no node is of an architecture without sidecars") {
		t.Error(text)
	}
}

func TestCheckPod(t *testing.T) {
	running := profiled(t, asks("running"))
	running.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: contract.ContainerName, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	skipped := asks("skipped")
	skipped.Spec.HostPID = true
	skipped = profiled(t, skipped)
	client := installation(t, running, skipped, asks("missed"))
	for name, want := range map[string][]string{
		"running": {"sidecar: runs since", "when it was created: injected", "such a pod now: Pod shop/running: already_injected"},
		"skipped": {"when it was created: host_pid", "such a pod now: Pod shop/skipped: host_pid", "remedy: Remove hostPID"},
		"missed":  {"the webhook did not see it", "such a pod now: Pod shop/missed: injected"},
	} {
		text, err := runCheck(t, client, "pod/"+name)
		for _, part := range want {
			if !strings.Contains(text, part) {
				t.Errorf("%s: no %q in\n%s", name, part, text)
			}
		}
		if (err == nil) != (name == "running") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if _, err := runCheck(t, client, "pod/nobody"); err == nil || errors.As(err, new(exitError)) {
		t.Errorf("a pod that is not there: %v", err)
	}
	if _, err := runCheck(t, client, "deployment/x"); err == nil {
		t.Error("a target that is no pod is accepted")
	}
}
