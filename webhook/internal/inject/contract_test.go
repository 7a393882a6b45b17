package inject

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/podflame/podflame/sidecar/contract"
)

func injected(t *testing.T, containers ...string) (*corev1.Pod, *corev1.Container) {
	t.Helper()
	pod := simplePod("true")
	pod.Spec.Containers = nil
	for _, name := range containers {
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: name, Image: name + ":1"})
	}
	cfg := testConfig()
	pod = Apply(pod, Decide(pod, nil, cfg), cfg)
	i := indexOf(pod.Spec.InitContainers, sidecarName)
	if i < 0 {
		t.Fatal("no sidecar was injected")
	}
	return pod, &pod.Spec.InitContainers[i]
}

func valueOf(c *corev1.Container, name string) string {
	i := slices.IndexFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == name })
	if i < 0 {
		return ""
	}
	return c.Env[i].Value
}

func mountAt(c *corev1.Container, path string) corev1.VolumeMount {
	i := slices.IndexFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == path })
	if i < 0 {
		return corev1.VolumeMount{}
	}
	return c.VolumeMounts[i]
}

// TestVolumesOfAContainerAreItsOwn: what one container can write, no other one
// sees, and what JVMs load, only the sidecar writes.
func TestVolumesOfAContainerAreItsOwn(t *testing.T) {
	pod, sidecar := injected(t, "app", "worker")
	used := map[string]string{}
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		where := valueOf(sidecar, contract.EnvRecordings) + "/" + c.Name
		here, there := mountAt(c, where), mountAt(sidecar, where)
		if here.Name == "" || !equality.Semantic.DeepEqual(here, there) || here.ReadOnly {
			t.Errorf("container %s mounts %+v at %s, the sidecar %+v", c.Name, here, where, there)
		}
		if other, taken := used[here.Name]; taken {
			t.Errorf("containers %s and %s share volume %s", other, c.Name, here.Name)
		}
		used[here.Name] = c.Name
		library := mountAt(c, valueOf(sidecar, contract.EnvLibraryDir))
		if library.Name != contract.LibraryVolume || !library.ReadOnly {
			t.Errorf("container %s mounts the library as %+v", c.Name, library)
		}
		for _, m := range c.VolumeMounts {
			if m.Name == contract.StateVolume || m.Name == contract.TokenVolume || m.Name == contract.PodVolume {
				t.Errorf("container %s sees the sidecar's volume %s", c.Name, m.Name)
			}
		}
	}
	if m := mountAt(sidecar, valueOf(sidecar, contract.EnvLibraryDir)); m.Name != contract.LibraryVolume || m.ReadOnly {
		t.Errorf("the sidecar mounts the library as %+v", m)
	}
	if len(sidecar.Ports) != 0 {
		t.Errorf("the sidecar has ports %v that nobody asked for", sidecar.Ports)
	}
	if len(sidecar.Command) != 0 || len(sidecar.Args) != 0 {
		t.Errorf("the sidecar has command %v and arguments %v", sidecar.Command, sidecar.Args)
	}
}

// TestSidecarOfVersion01 holds the variables to what a sidecar of version 0.1
// makes of them: one directory, the same in JVM and sidecar and writable in
// both, and an address that no application can have taken.
func TestSidecarOfVersion01(t *testing.T) {
	pod, sidecar := injected(t, "app", "worker")
	where := valueOf(sidecar, "PODFLAME_SHARED_DIR")
	here, there := mountAt(&pod.Spec.Containers[0], where), mountAt(sidecar, where)
	if here.Name == "" || !equality.Semantic.DeepEqual(here, there) || here.ReadOnly {
		t.Errorf("PODFLAME_SHARED_DIR is %q: the JVM mounts %+v there, the sidecar %+v", where, here, there)
	}
	if got := valueOf(sidecar, "PODFLAME_LISTEN"); got != "127.0.0.1:0" {
		t.Errorf("PODFLAME_LISTEN is %q, with which version 0.1 would take a port of the application", got)
	}
	if got := valueOf(sidecar, "PODFLAME_STATE_DIR"); mountAt(sidecar, got).Name != contract.StateVolume {
		t.Errorf("PODFLAME_STATE_DIR is %q", got)
	}
}

// A sidecar that does not know an event would not start with it in its environment.
func TestEventsForAnOlderSidecar(t *testing.T) {
	for asked, want := range map[string][2]string{
		"":               {"cpu,alloc,lock", ""},
		"cpu,wall":       {"cpu,wall", ""},
		"cpu,alloc,live": {"cpu,alloc", "cpu,alloc,live"},
		"nativemem":      {"cpu,alloc,lock", "nativemem"},
	} {
		pod := simplePod("true")
		if asked != "" {
			pod.Annotations[contract.Events] = asked
		}
		cfg := testConfig()
		pod = Apply(pod, Decide(pod, nil, cfg), cfg)
		sidecar := &pod.Spec.InitContainers[indexOf(pod.Spec.InitContainers, sidecarName)]
		if got := [2]string{valueOf(sidecar, contract.EnvEvents), valueOf(sidecar, contract.EnvAllEvents)}; got != want {
			t.Errorf("%q: %q, want %q", asked, got, want)
		}
	}
}
