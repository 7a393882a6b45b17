package cluster

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podflame/podflame/sidecar/contract"
)

// register has the API server call another mutating webhook, by whose name it
// comes before or after ours.
func register(t *testing.T, name, namespace string, mutate func(*corev1.Pod)) {
	t.Helper()
	hook := &admission.Webhook{Handler: admission.HandlerFunc(func(_ context.Context, request admission.Request) admission.Response {
		var pod corev1.Pod
		if err := json.Unmarshal(request.Object.Raw, &pod); err != nil {
			return admission.Errored(http.StatusBadRequest, err)
		}
		mutate(&pod)
		after, err := json.Marshal(pod)
		if err != nil {
			return admission.Errored(http.StatusInternalServerError, err)
		}
		return admission.PatchResponseFromRaw(request.Object.Raw, after)
	})}
	handler, err := admission.StandaloneWebhook(hook, admission.StandaloneOptions{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	fail, none := admissionregistrationv1.Fail, admissionregistrationv1.SideEffectClassNone
	configuration := &admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: name}, Webhooks: []admissionregistrationv1.MutatingWebhook{{
		Name:                    "pods." + name + ".example",
		ClientConfig:            admissionregistrationv1.WebhookClientConfig{URL: &server.URL, CABundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})},
		NamespaceSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}},
		FailurePolicy:           &fail,
		SideEffects:             &none,
		AdmissionReviewVersions: []string{"v1"},
		Rules: []admissionregistrationv1.RuleWithOperations{{
			Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
			Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
		}},
	}}}
	client := shared.Client.AdmissionregistrationV1().MutatingWebhookConfigurations()
	if _, err := client.Create(testContext(t), configuration, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Delete(context.WithoutCancel(t.Context()), name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
}

// TestOtherWebhooks: before ours one sets a user and no group, as OpenShift's
// admission does, and after ours one adds a container of its own in front and a
// variable to ours.
func TestOtherWebhooks(t *testing.T) {
	startWebhook(t, 1)
	namespace := newNamespace(t, "around", map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
	const uid = 1000640000
	calls := 0
	register(t, "a-before", namespace, func(pod *corev1.Pod) {
		for i := range pod.Spec.Containers {
			if s := pod.Spec.Containers[i].SecurityContext; s != nil && s.RunAsUser == nil {
				s.RunAsUser = new(int64(uid))
			}
		}
	})
	register(t, "z-after", namespace, func(pod *corev1.Pod) {
		if calls++; calls > 1 {
			return
		}
		mesh := pod.Spec.Containers[0]
		mesh.Name, mesh.Image, mesh.Env, mesh.VolumeMounts = "mesh", "mesh:1", nil, nil
		mesh.SecurityContext = mesh.SecurityContext.DeepCopy()
		mesh.SecurityContext.RunAsUser = new(int64(1337))
		pod.Spec.Containers = append([]corev1.Container{mesh}, pod.Spec.Containers...)
		if ours := sidecar(pod); ours != nil {
			ours.Env = append(ours.Env, corev1.EnvVar{Name: "MESH", Value: "on"})
		}
	})
	eventually(t, "the API server knows the webhooks", func(ctx context.Context) (bool, string) {
		calls = 0
		_, err := shared.Client.CoreV1().Pods(namespace).Create(ctx, plainPod("probe", restricted), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err == nil && calls > 0, "not called"
	})
	calls = 0
	unset := func(pod *corev1.Pod) {
		pod.Spec.SecurityContext.RunAsUser, pod.Spec.SecurityContext.RunAsGroup = nil, nil
	}
	pod, _ := create(t, namespace, plainPod("pod", annotated(contract.Enabled, "true"), restricted, unset), metav1.CreateOptions{})
	added := sidecar(pod)
	if added == nil {
		t.Fatalf("not injected: %s", pod.Annotations[contract.Status])
	}
	if s := added.SecurityContext; *s.RunAsUser != uid || *s.RunAsGroup != 0 || len(s.Capabilities.Add) != 0 {
		t.Errorf("security context %+v, want user %d with group 0 and nothing else", s, uid)
	}
	if got := environmentOf(added, contract.EnvContainers); got != "app" {
		t.Errorf("profiles %q, want the application alone", got)
	}
	if environmentOf(added, "MESH") != "on" || pod.Spec.Containers[0].Name != "mesh" {
		t.Error("what came after us is gone")
	}
}
