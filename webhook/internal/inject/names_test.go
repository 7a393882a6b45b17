package inject

import (
	"strings"
	"testing"

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
		"name label before owner":     {metav1.ObjectMeta{Labels: map[string]string{nameLabel: "cart"}, OwnerReferences: ownedBy("StatefulSet", "db")}, "cart"},
		"owner before app label":      {metav1.ObjectMeta{Labels: map[string]string{appLabel: "x"}, OwnerReferences: ownedBy("StatefulSet", "db-2")}, "db-2"},
		"replica set by its label":    {metav1.ObjectMeta{Labels: map[string]string{"pod-template-hash": "cafe"}, OwnerReferences: ownedBy("ReplicaSet", "cart-cafe")}, "cart"},
		"rollout by its label":        {metav1.ObjectMeta{Labels: map[string]string{"rollouts-pod-template-hash": "xyz"}, OwnerReferences: ownedBy("ReplicaSet", "cart-xyz")}, "cart"},
		"replica set by its hash":     {metav1.ObjectMeta{OwnerReferences: ownedBy("ReplicaSet", "cart-api-7d4b9c6f5d")}, "cart-api"},
		"replica set without hash":    {metav1.ObjectMeta{OwnerReferences: ownedBy("ReplicaSet", "cart-api")}, "cart-api"},
		"job of a cron job":           {metav1.ObjectMeta{OwnerReferences: ownedBy("Job", "report-29012340")}, "report"},
		"job":                         {metav1.ObjectMeta{OwnerReferences: ownedBy("Job", "import-2")}, "import-2"},
		"owner that does not control": {metav1.ObjectMeta{Name: "p", OwnerReferences: []metav1.OwnerReference{{Kind: "Foo", Name: "foo"}}}, "p"},
		"app label":                   {metav1.ObjectMeta{Labels: map[string]string{appLabel: "shop"}, Name: "p"}, "shop"},
		"pod":                         {metav1.ObjectMeta{Name: "p.q"}, "p.q"},
		"generated":                   {metav1.ObjectMeta{GenerateName: "p-"}, "p"},
		"nothing":                     {metav1.ObjectMeta{}, unnamed},
		"long":                        {metav1.ObjectMeta{Name: long}, long[:maxName]},
	} {
		pod := &corev1.Pod{ObjectMeta: c.meta}
		if got := serviceName(pod, readAnnotations(pod, testConfig())); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
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
		if got := versionName(pod, &corev1.Container{Image: image}, readAnnotations(pod, testConfig())); got != want {
			t.Errorf("image %.60q: %q, want %q", image, got, want)
		}
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{versionLabel: "9"}}}
	if got := versionName(pod, &corev1.Container{Image: "app:1"}, readAnnotations(pod, testConfig())); got != "9" {
		t.Errorf("label: %q, want 9", got)
	}
	pod.Annotations = map[string]string{contract.Version: "10"}
	if got := versionName(pod, &corev1.Container{Image: "app:1"}, readAnnotations(pod, testConfig())); got != "10" {
		t.Errorf("annotation: %q, want 10", got)
	}
}

func TestTmpVolumeNamesDiffer(t *testing.T) {
	stem := strings.Repeat("a", 62)
	one, two := tmpVolumeName(stem+"b"), tmpVolumeName(stem+"c")
	if one == two || len(one) > maxVolumeName || len(two) > maxVolumeName {
		t.Errorf("%q and %q", one, two)
	}
	if got := tmpVolumeName("app"); got != "podflame-tmp-app" {
		t.Errorf("short name: %q", got)
	}
}
