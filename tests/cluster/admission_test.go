package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/sidecar/contract"
)

// What a namespace and a pod say, and what comes of it.
func TestAdmission(t *testing.T) {
	webhook := startWebhook(t, 1)[0]
	for _, row := range []struct {
		name      string
		namespace map[string]string // labels
		pod       func(*corev1.Pod)
		called    bool // the API server asks the webhook
		injected  bool
		reason    string // of the status annotation; empty for none
		warning   string // part of the server's warning; empty for none at all
	}{
		{name: "nothing asked", pod: annotated(), called: false},
		{name: "pod asks", pod: annotated(contract.Enabled, "true"), called: true, injected: true, reason: "injected"},
		{name: "namespace asks", namespace: map[string]string{contract.Enabled: "true"}, pod: annotated(), called: true, injected: true, reason: "injected"},
		{name: "both ask", namespace: map[string]string{contract.Enabled: "true"}, pod: annotated(contract.Enabled, "true"), called: true, injected: true, reason: "injected"},
		{name: "pod opts out", namespace: map[string]string{contract.Enabled: "true"}, pod: annotated(contract.Enabled, "false"), called: false},
		{name: "pod beats namespace", namespace: map[string]string{contract.Enabled: "false"}, pod: annotated(contract.Enabled, "true"), called: true, injected: true, reason: "injected"},
		{name: "pod asks by label", pod: labelled("true"), called: true, injected: true, reason: "injected"},
		{name: "pod opts out by label", namespace: map[string]string{contract.Enabled: "true"}, pod: labelled("false"), called: false},
		{name: "annotation beats label", pod: func(p *corev1.Pod) { labelled("true")(p); annotated(contract.Enabled, "false")(p) }, called: false},
		{name: "namespace opts out", namespace: map[string]string{contract.Enabled: "false"}, pod: annotated(), called: false},
		{name: "pod says yes", pod: annotated(contract.Enabled, "yes"), called: true, reason: "invalid_enabled_value", warning: `"true" or "false"`},
		{name: "namespace says True", namespace: map[string]string{contract.Enabled: "True"}, pod: annotated(), called: true, reason: "invalid_enabled_value", warning: `"true" or "false"`},
		{name: "unusable window", pod: annotated(contract.Enabled, "true", contract.Window, "1h"), called: true, injected: true, reason: "injected", warning: "invalid_annotation"},
		{name: "misspelt annotation", pod: annotated(contract.Enabled, "true", "profiling.io/windows", "30s"), called: true, injected: true, reason: "injected", warning: "unknown_annotation"},
		{name: "unknown container", pod: annotated(contract.Enabled, "true", contract.Containers, "nosuch"), called: true, reason: "unknown_container", warning: "unknown_container"},
		{name: "hostPID", pod: func(p *corev1.Pod) { annotated(contract.Enabled, "true")(p); p.Spec.HostPID = true }, called: true, reason: "host_pid", warning: "host_pid"},
		{name: "shareProcessNamespace false", pod: func(p *corev1.Pod) {
			annotated(contract.Enabled, "true")(p)
			p.Spec.ShareProcessNamespace = new(false)
		}, called: true, reason: "share_process_namespace_false", warning: "share_process_namespace_false"},
	} {
		t.Run(row.name, func(t *testing.T) {
			namespace := newNamespace(t, "admission", row.namespace)
			before := webhook.decisions(t)
			pod, warnings := create(t, namespace, plainPod("pod", row.pod), metav1.CreateOptions{})
			// The server asks again if others change the pod after us, as its own
			// ServiceAccount admission does when it mounts the pod's token into
			// the sidecar.
			if calls := webhook.decisions(t) - before; (calls > 0) != row.called || calls > 2 {
				t.Errorf("the webhook was called %d times, want it called: %t", calls, row.called)
			}
			if got := sidecar(pod) != nil; got != row.injected {
				t.Errorf("injected: %t, want %t", got, row.injected)
			}
			if got := statusOf(t, pod); got != (status{row.injected, row.reason}) {
				t.Errorf("status %+v, want reason %q", got, row.reason)
			}
			if row.warning == "" && len(warnings) > 0 || !strings.Contains(strings.Join(warnings, "\n"), row.warning) {
				t.Errorf("warnings %q, want %q", warnings, row.warning)
			}
			if !row.injected {
				assertUnchanged(t, namespace, row.pod, pod)
			}
		})
	}
}

// assertUnchanged compares a pod with what the server makes of the same pod
// where no webhook is asked, our status annotation aside.
func assertUnchanged(t *testing.T, namespace string, adjust func(*corev1.Pod), admitted *corev1.Pod) {
	t.Helper()
	unasked := plainPod("unasked", adjust)
	for key := range unasked.Annotations {
		if strings.HasPrefix(key, contract.Prefix) {
			delete(unasked.Annotations, key)
		}
	}
	annotated(contract.Enabled, "false")(unasked)
	reference, _ := create(t, namespace, unasked, metav1.CreateOptions{})
	// The token's volume has a random name.
	normalise := func(spec corev1.PodSpec) corev1.PodSpec {
		spec = *spec.DeepCopy()
		spec.Volumes = nil
		for i := range spec.Containers {
			spec.Containers[i].VolumeMounts = nil
		}
		return spec
	}
	if diff := cmp.Diff(normalise(reference.Spec), normalise(admitted.Spec)); diff != "" {
		t.Errorf("the pod was changed (-unasked +admitted):\n%s", diff)
	}
	if got, want := len(admitted.Spec.Volumes), len(reference.Spec.Volumes); got != want {
		t.Errorf("the pod has %d volumes, want %d", got, want)
	}
}

// TestExcludedNamespaces shows that pods of the system and of ourselves never
// reach the webhook, whatever they say.
func TestExcludedNamespaces(t *testing.T) {
	webhook := startWebhook(t, 1)[0]
	before := webhook.decisions(t)
	for _, namespace := range []string{"kube-system", "kube-public", "kube-node-lease", systemNamespace} {
		pod := plainPod("excluded", annotated(contract.Enabled, "true"), restricted)
		pod.Spec.AutomountServiceAccountToken = new(false)
		admitted, _ := create(t, namespace, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if sidecar(admitted) != nil {
			t.Errorf("a pod in %s was injected", namespace)
		}
	}
	if calls := webhook.decisions(t) - before; calls != 0 {
		t.Errorf("the webhook was called %d times for excluded namespaces", calls)
	}
}

// TestWorkloads creates pods the way users do: by the controllers of the
// workloads.
func TestWorkloads(t *testing.T) {
	startWebhook(t, 1)
	namespace := newNamespace(t, "workloads", nil)
	ctx := testContext(t)
	template := func(name string, restart corev1.RestartPolicy) corev1.PodTemplateSpec {
		pod := plainPod("", annotated(contract.Enabled, "true"))
		pod.Labels = map[string]string{"app": name}
		pod.Spec.RestartPolicy = restart
		return corev1.PodTemplateSpec{ObjectMeta: pod.ObjectMeta, Spec: pod.Spec}
	}
	selector := func(name string) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}
	}
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }
	apps, batch := shared.Client.AppsV1(), shared.Client.BatchV1()
	if _, err := apps.Deployments(namespace).Create(ctx, &appsv1.Deployment{ObjectMeta: meta("shop"), Spec: appsv1.DeploymentSpec{
		Replicas: new(int32(3)), Selector: selector("shop"), Template: template("shop", corev1.RestartPolicyAlways),
	}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := apps.StatefulSets(namespace).Create(ctx, &appsv1.StatefulSet{ObjectMeta: meta("store"), Spec: appsv1.StatefulSetSpec{
		Replicas: new(int32(1)), Selector: selector("store"), Template: template("store", corev1.RestartPolicyAlways),
	}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := batch.Jobs(namespace).Create(ctx, &batchv1.Job{ObjectMeta: meta("report"), Spec: batchv1.JobSpec{
		Template: template("report", corev1.RestartPolicyNever),
	}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct {
		count   int
		service string
	}{"shop": {3, "shop"}, "store": {1, "store"}, "report": {1, "report"}} {
		for _, pod := range podsOf(t, namespace, "app="+name, want.count) {
			added := sidecar(&pod)
			if added == nil {
				t.Errorf("pod %s of %s is not injected: %+v", pod.Name, name, statusOf(t, &pod))
				continue
			}
			if got := environmentOf(added, contract.EnvService); got != want.service {
				t.Errorf("pod %s has the service name %q, want %q", pod.Name, got, want.service)
			}
			if added.Image != "ghcr.io/podflame/sidecar:0.1.0" {
				t.Errorf("sidecar image %s is not the one of the manifests", added.Image)
			}
		}
	}
	awaitEvent(t, namespace, "ReplicaSet", "injected")
}

func environmentOf(container *corev1.Container, name string) string {
	for _, variable := range container.Env {
		if variable.Name == name {
			return variable.Value
		}
	}
	return ""
}

// awaitEvent waits for an Event of ours about an object of a kind.
func awaitEvent(t testing.TB, namespace, kind, reason string) {
	t.Helper()
	eventually(t, fmt.Sprintf("Event %s on a %s", reason, kind), func(ctx context.Context) (bool, string) {
		events, err := shared.Client.EventsV1().Events(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err.Error()
		}
		var seen []string
		for _, event := range events.Items {
			seen = append(seen, event.Regarding.Kind+" "+event.Reason)
		}
		return slices.Contains(seen, kind+" "+reason), strings.Join(seen, ", ")
	})
}

// TestPodSecurityOfInjectedPods creates pods in namespaces that enforce a
// level: a pod that the level admits is admitted with profiling asked for.
func TestPodSecurityOfInjectedPods(t *testing.T) {
	startWebhook(t, 1)
	unknownUser := func(p *corev1.Pod) {
		p.Spec.SecurityContext.RunAsUser, p.Spec.SecurityContext.RunAsGroup = nil, nil
	}
	for _, row := range []struct {
		level  string
		adjust []func(*corev1.Pod)
		want   status
	}{
		{"restricted", []func(*corev1.Pod){restricted}, status{true, "injected"}},
		{"restricted", []func(*corev1.Pod){restricted, unknownUser}, status{false, "restricted_uid_unknown"}},
		{"baseline", nil, status{true, "injected"}},
		{"baseline", []func(*corev1.Pod){unknownUser}, status{true, "injected"}},
	} {
		t.Run(fmt.Sprintf("%s %d", row.level, len(row.adjust)), func(t *testing.T) {
			namespace := newNamespace(t, "security", map[string]string{"pod-security.kubernetes.io/enforce": row.level, contract.Enabled: "true"})
			pod, _ := create(t, namespace, plainPod("pod", row.adjust...), metav1.CreateOptions{})
			if got := statusOf(t, pod); got != row.want || (sidecar(pod) != nil) != row.want.Injected {
				t.Errorf("status %+v, want %+v", got, row.want)
			}
		})
	}
}

// TestDryRun shows that a dry run answers like the real thing and leaves no
// trace: no pod, no Event, no trust bundle.
func TestDryRun(t *testing.T) {
	webhook := startWebhook(t, 1)[0]
	namespace := newNamespace(t, "dryrun", nil)
	before := webhook.metric(t, `podflame_webhook_decisions_total{dry_run="true",reason="injected"}`)
	ctx := testContext(t)
	set := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: "owner"}, Spec: appsv1.ReplicaSetSpec{
		Replicas: new(int32(0)), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "x"}},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "x"}}, Spec: plainPod("").Spec},
	}}
	set, err := shared.Client.AppsV1().ReplicaSets(namespace).Create(ctx, set, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	owned := func(p *corev1.Pod) {
		p.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))}
	}
	pod, _ := create(t, namespace, plainPod("pod", annotated(contract.Enabled, "true"), owned), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if sidecar(pod) == nil {
		t.Error("the answer to the dry run has no sidecar")
	}
	if after := webhook.metric(t, `podflame_webhook_decisions_total{dry_run="true",reason="injected"}`); after != before+1 {
		t.Errorf("decisions on dry runs went from %v to %v, want one more", before, after)
	}
	if _, err := shared.Client.CoreV1().Pods(namespace).Get(ctx, "pod", metav1.GetOptions{}); !isGone(err) {
		t.Errorf("get the pod after its dry run: %v, want NotFound", err)
	}
	// An Event about a second, real pod comes after whatever the first caused.
	create(t, namespace, plainPod("real", annotated(contract.Enabled, "true"), owned), metav1.CreateOptions{})
	awaitEvent(t, namespace, "ReplicaSet", "injected")
	events, err := shared.Client.EventsV1().Events(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, event := range events.Items {
		if event.Reason == "injected" && event.Series != nil {
			t.Errorf("the Event counts %d pods, the dry run among them", event.Series.Count)
		}
	}
}

// TestTrustBundle shows that the namespace of an injected pod gets the bundle
// that the pod mounts.
func TestTrustBundle(t *testing.T) {
	startWebhook(t, 1)
	namespace := newNamespace(t, "trust", nil)
	create(t, namespace, plainPod("pod", annotated(contract.Enabled, "true")), metav1.CreateOptions{})
	eventually(t, "trust bundle in "+namespace, func(ctx context.Context) (bool, string) {
		found, err := shared.Client.CoreV1().ConfigMaps(namespace).Get(ctx, contract.TrustConfigMap, metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		return strings.Contains(found.Data[contract.TrustKey], "BEGIN CERTIFICATE"), fmt.Sprint(found.Data)
	})
}
