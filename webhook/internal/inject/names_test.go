package inject

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/sidecar/contract"
)

func ownedBy(kind, name string) []metav1.OwnerReference {
	yes := true
	return []metav1.OwnerReference{{Kind: kind, Name: name, Controller: &yes}}
}

func TestServiceName(t *testing.T) {
	long := strings.Repeat("a", 200)
	for name, c := range map[string]struct {
		meta metav1.ObjectMeta
		want string
	}{
		"annotation": {metav1.ObjectMeta{Annotations: map[string]string{contract.Service: "pay"}, Labels: map[string]string{nameLabel: "x"}}, "pay"},
		"invalid annotation": {metav1.ObjectMeta{Annotations: map[string]string{contract.Service: "a b"},
			Labels: map[string]string{nameLabel: "cart"}}, "cart"},
		"owner before name label":     {metav1.ObjectMeta{Labels: map[string]string{nameLabel: "cart"}, OwnerReferences: ownedBy("StatefulSet", "db")}, "db"},
		"name label":                  {metav1.ObjectMeta{Labels: map[string]string{nameLabel: "cart", appLabel: "x"}, Name: "p"}, "cart"},
		"OpenTelemetry before owner":  {metav1.ObjectMeta{Annotations: map[string]string{otelService: "cart"}, OwnerReferences: ownedBy("StatefulSet", "db")}, "cart"},
		"owner before app label":      {metav1.ObjectMeta{Labels: map[string]string{appLabel: "x"}, OwnerReferences: ownedBy("StatefulSet", "db-2")}, "db-2"},
		"replica set by its label":    {metav1.ObjectMeta{Labels: map[string]string{"pod-template-hash": "cafe"}, OwnerReferences: ownedBy("ReplicaSet", "cart-cafe")}, "cart"},
		"rollout by its label":        {metav1.ObjectMeta{Labels: map[string]string{"rollouts-pod-template-hash": "xyz"}, OwnerReferences: ownedBy("ReplicaSet", "cart-xyz")}, "cart"},
		"replica set by its hash":     {metav1.ObjectMeta{OwnerReferences: ownedBy("ReplicaSet", "cart-api-7d4b9c6f5d")}, "cart-api"},
		"replica set without hash":    {metav1.ObjectMeta{OwnerReferences: ownedBy("ReplicaSet", "cart-api")}, "cart-api"},
		"job of a cron job":           {metav1.ObjectMeta{OwnerReferences: ownedBy("Job", "report-29012340")}, "report"},
		"job":                         {metav1.ObjectMeta{OwnerReferences: ownedBy("Job", "import-2")}, "import-2"},
		"job of a word":               {metav1.ObjectMeta{OwnerReferences: ownedBy("Job", "backup-pgsql")}, "backup-pgsql"},
		"job of a day":                {metav1.ObjectMeta{OwnerReferences: ownedBy("Job", "import-20261124")}, "import"},
		"cron workflow":               {metav1.ObjectMeta{OwnerReferences: ownedBy("Workflow", "etl-1764067200")}, "etl"},
		"owner that does not control": {metav1.ObjectMeta{Name: "p", OwnerReferences: []metav1.OwnerReference{{Kind: "Foo", Name: "foo"}}}, "p"},
		"app label":                   {metav1.ObjectMeta{Labels: map[string]string{appLabel: "shop"}, Name: "p"}, "shop"},
		"pod":                         {metav1.ObjectMeta{Name: "p.q"}, "p.q"},
		"generated":                   {metav1.ObjectMeta{GenerateName: "p-", Name: "p-x7k2p"}, "p"},
		"nothing":                     {metav1.ObjectMeta{}, unnamed},
		"long":                        {metav1.ObjectMeta{Name: long}, long[:maxName]},
	} {
		pod := &corev1.Pod{ObjectMeta: c.meta}
		if got := serviceName(pod, &corev1.Container{}, readAnnotations(pod, nil, testConfig())); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestNamesOfPods reads what each pod is to be called from the comment before
// it.
func TestNamesOfPods(t *testing.T) {
	text, err := os.ReadFile("testdata/names.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		var pod corev1.Pod
		decode(t, document, &pod)
		comment, _, _ := strings.Cut(document, "\n")
		plan := Decide(&pod, nil, testConfig()).Plan
		if got := "# service " + plan.Service + ", version " + plan.Version; got != comment {
			t.Errorf("pod %s: %s, want %s", pod.Name, got, comment)
		}
	}
}

// TestNamespaceDefaults: what the namespace says holds for a pod that does not
// say otherwise, and not where it is not valid.
func TestNamespaceDefaults(t *testing.T) {
	ns := namespaceWith(absent)
	ns.Annotations = map[string]string{
		contract.Window: "10s", contract.CPULimit: "250m", contract.RunAsUser: "7:8", contract.Events: "gpu",
		contract.Prefix + "windo": "1s", contract.Enabled: "true", "other": "x",
	}
	pod := simplePod("true")
	pod.Annotations[contract.CPULimit] = "300m"
	d := Decide(pod, ns, testConfig())
	if got := d.Plan.Settings.Window; got != 10*time.Second {
		t.Errorf("window %s, want the namespace's 10s", got)
	}
	if got := d.Plan.Resources.Limits.Cpu().String(); got != "300m" {
		t.Errorf("CPU limit %s, want the pod's 300m", got)
	}
	if d.Plan.UID != 7 || d.Plan.GID != 8 {
		t.Errorf("user %d:%d, want the namespace's 7:8", d.Plan.UID, d.Plan.GID)
	}
	var got []string
	for _, w := range d.Warnings {
		got = append(got, string(w.Reason)+" "+w.Detail)
	}
	want := []string{
		"annotation_on_namespace namespace shop",
		"invalid_annotation namespace shop, profiling.io/events: event \"gpu\" is not one of cpu, alloc, lock, wall, live, nativemem, nativelock",
		"unknown_annotation namespace shop, profiling.io/windo",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestHelpers(t *testing.T) {
	for _, c := range []corev1.Container{
		{Name: "fluent-bit"}, {Name: "gke-gcsfuse-sidecar"}, {Name: "otc-container"}, {Name: "queue-proxy"},
		{Name: "wait", Image: "quay.io/argoproj/argoexec:v3.5"}, {Name: "logs", Image: "cr.fluentbit.io/fluent/fluent-bit:2@sha256:01"},
		{Name: "mesh", Image: "docker.io/istio/proxyv2:1.24"}, {Name: "x", Image: "localhost:5000/otel/opentelemetry-collector-contrib"},
		{Name: "q", Image: "gcr.io/knative-releases/knative.dev/queue:v1"}, {Name: "d", Image: "gcr.io/datadoghq/agent:7"},
	} {
		if !isHelper(&c, testConfig()) {
			t.Errorf("%s, image %s: not a helper", c.Name, c.Image)
		}
	}
	for _, c := range []corev1.Container{
		{Name: "app", Image: "shop"}, {Name: "envoy-admin", Image: "shop/agent"}, {Name: "queue", Image: "shop/queue:1"}, {Name: "main", Image: "argoexecutor"}, {},
	} {
		if isHelper(&c, testConfig()) {
			t.Errorf("%s, image %s: a helper", c.Name, c.Image)
		}
	}
}

func TestVersionName(t *testing.T) {
	for image, want := range map[string]string{
		"app":                              "",
		"app:latest":                       "",
		"app:1.2":                          "1.2",
		"host:5000/app":                    "",
		"host:5000/app:v3":                 "v3",
		"app:v3@sha256:0123456789abcdef00": "v3",
		"host:5000/a/app@sha256:0123456789abcdef00": "sha256:0123456789ab",
		"app@sha256:01":                         "sha256:01",
		"":                                      "",
		"app:" + strings.Repeat("1", maxName+1): "",
	} {
		pod := &corev1.Pod{}
		if got := versionName(pod, &corev1.Container{Image: image}, readAnnotations(pod, nil, testConfig())); got != want {
			t.Errorf("image %.60q: %q, want %q", image, got, want)
		}
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{versionLabel: "9"}}}
	if got := versionName(pod, &corev1.Container{Image: "app:1"}, readAnnotations(pod, nil, testConfig())); got != "9" {
		t.Errorf("label: %q, want 9", got)
	}
	pod.Annotations = map[string]string{contract.Version: "10"}
	if got := versionName(pod, &corev1.Container{Image: "app:1"}, readAnnotations(pod, nil, testConfig())); got != "10" {
		t.Errorf("annotation: %q, want 10", got)
	}
}

func TestVolumeNamesDiffer(t *testing.T) {
	stem := strings.Repeat("a", 62)
	for _, prefix := range []string{contract.TmpVolume, contract.RecordingsVolume} {
		one, two := volumeName(prefix, stem+"b"), volumeName(prefix, stem+"c")
		if one == two || len(one) > maxVolumeName || len(two) > maxVolumeName {
			t.Errorf("%q and %q", one, two)
		}
		if got := volumeName(prefix, "app"); got != prefix+"-app" {
			t.Errorf("short name: %q", got)
		}
	}
}
