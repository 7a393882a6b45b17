package inject

import (
	"path/filepath"
	"slices"
	"testing"

	gomodules "gomodules.xyz/jsonpatch/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"

	"github.com/podflame/podflame/sidecar/contract"
)

// TestLaws holds generated pods, namespaces and configurations to the laws of
// checkLaws, and counts outcomes: a generator that never injects tests nothing.
func TestLaws(t *testing.T) {
	seen := map[Reason]int{}
	wanted := []Reason{Injected, NameCollision, NonRootUIDUnknown}
	missing := func(r Reason) bool { return seen[r] == 0 }
	for range maxRounds {
		rapid.Check(t, func(t *rapid.T) {
			pod, ns, cfg := drawPod(t), drawNamespace(t), drawConfig(t)
			checkLaws(t, pod, ns, cfg)
			seen[Decide(pod, ns, cfg).Reason()]++
		})
		if !slices.ContainsFunc(wanted, missing) {
			return
		}
	}
	t.Errorf("no generated pod was one of %v: %v", wanted, seen)
}

// maxRounds is how often the generator may fail to make a pod of each wanted
// outcome by chance.
const maxRounds = 20

// TestOtherWebhooksBetween: what others add after us stays, our own parts are
// put right, and then nothing changes any more.
func TestOtherWebhooksBetween(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pod, ns, cfg := drawPod(t), drawNamespace(t), drawConfig(t)
		pod = Apply(pod, Decide(pod, ns, cfg), cfg)
		disturb(t, pod)
		second := Apply(pod, Decide(pod, ns, cfg), cfg)
		ops, err := gomodules.CreatePatch(marshal(t, pod), marshal(t, second))
		if err != nil {
			t.Fatalf("make patch: %v", err)
		}
		for _, op := range ops {
			if op.Operation == "remove" {
				t.Errorf("the second call removes %s", op.Path)
			}
		}
		third := Apply(second, Decide(second, ns, cfg), cfg)
		if string(marshal(t, second)) != string(marshal(t, third)) {
			t.Errorf("the third call changes the pod:\n%s\n%s", marshal(t, second), marshal(t, third))
		}
		checkValid(t, second)
	})
}

// disturb does what service meshes, LimitRanges and the API server's defaults
// do to a pod, our sidecar included.
func disturb(t *rapid.T, pod *corev1.Pod) {
	always := corev1.ContainerRestartPolicyAlways
	if rapid.Bool().Draw(t, "mesh native") {
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, corev1.Container{Name: "mesh", Image: "mesh:1", RestartPolicy: &always})
	}
	if rapid.Bool().Draw(t, "mesh first") {
		pod.Spec.Containers = append([]corev1.Container{{Name: "mesh-2", Image: "mesh:1"}}, pod.Spec.Containers...)
	}
	if rapid.Bool().Draw(t, "volume first") {
		pod.Spec.Volumes = append([]corev1.Volume{{Name: "mesh", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}, pod.Spec.Volumes...)
	}
	image := rapid.SampledFrom([]string{"", "mirror.example/sidecar:1"}).Draw(t, "image")
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			c := &containers[i]
			c.Env = append(c.Env, corev1.EnvVar{Name: "MESH", Value: "on"})
			c.TerminationMessagePath = "/dev/termination-log"
			if c.Name == sidecarName && image != "" {
				c.Image = image
				c.Resources.Limits = withResources(c.Resources.Limits, corev1.ResourceList{"example.com/fuse": resource.MustParse("1")})
			}
		}
	}
}

// FuzzAnnotations: whatever stands in an annotation, the pod stays sound.
func FuzzAnnotations(f *testing.F) {
	for _, key := range sortedKeys(annotationPool) {
		for _, value := range annotationPool[key] {
			f.Add(key, value, contract.Containers, "app")
		}
	}
	f.Add(contract.MemoryLimit, "1e3", contract.MemoryRequest, "9223372036854775807")
	f.Add(contract.RunAsUser, "2147483647:2147483648", contract.Window, "9223372036s")
	f.Fuzz(func(t *testing.T, key1, value1, key2, value2 string) {
		pod := simplePod("true")
		pod.Annotations[key1], pod.Annotations[key2] = value1, value2
		checkDecision(t, pod)
	})
}

// checkDecision is checkLaws for input that no API server let through, such as
// keys of annotations that are none.
func checkDecision(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	cfg := testConfig()
	d := Decide(pod, nil, cfg)
	out := Apply(pod, d, cfg)
	if len(d.Warnings) > maxWarnings {
		t.Errorf("%d warnings", len(d.Warnings))
	}
	for _, m := range d.Messages() {
		if len(m) > 1000 || printable(m, len(m)) != m {
			t.Errorf("message %q", m)
		}
	}
	checkFixpoint(t, out, d, nil, cfg)
	if !d.Inject {
		return
	}
	i := indexOf(out.Spec.InitContainers, sidecarName)
	if i < 0 {
		i = indexOf(out.Spec.Containers, sidecarName)
		checkContainer(t, &out.Spec.Containers[i], volumeSet(out))
		return
	}
	checkContainer(t, &out.Spec.InitContainers[i], volumeSet(out))
	if limit := out.Spec.InitContainers[i].Resources.Limits.Memory(); limit.Cmp(resource.MustParse(minimumMemLimit)) < 0 || limit.Cmp(cfg.MemoryMaximum) > 0 {
		t.Errorf("memory limit %s", limit)
	}
	if cpu := out.Spec.InitContainers[i].Resources.Limits.Cpu(); cpu.Sign() <= 0 || cpu.Cmp(cfg.CPUMaximum) > 0 {
		t.Errorf("CPU limit %s", cpu)
	}
}

func volumeSet(pod *corev1.Pod) map[string]bool {
	set := map[string]bool{}
	for _, v := range pod.Spec.Volumes {
		set[v.Name] = true
	}
	return set
}

func BenchmarkDecideApply(b *testing.B) {
	for _, name := range []string{"plain", "security-same-user-restricted", "thirty-volumes", "not-requested"} {
		b.Run(name, func(b *testing.B) {
			pod, ns, cfg := readCase(b, filepath.Join("testdata/golden", name+".pod.yaml"))
			b.ReportAllocs()
			for b.Loop() {
				Apply(pod, Decide(pod, ns, cfg), cfg)
			}
		})
	}
}
