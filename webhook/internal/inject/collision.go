package inject

import (
	"fmt"
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/podflame/podflame/sidecar/contract"
)

// HasSidecar tells whether the pod carries our sidecar: a status that says so,
// and a container of our name on our volumes. Anything less that uses one of
// our names is a collision.
func HasSidecar(pod *corev1.Pod) bool {
	status, ok := StatusOf(pod)
	if !ok || !status.Injected {
		return false
	}
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		if i := indexOf(containers, sidecarName); i >= 0 {
			return mounts(containers[i], contract.StateVolume, contract.StatePath) &&
				mounts(containers[i], contract.TokenVolume, contract.TokenPath)
		}
	}
	return false
}

func mounts(c corev1.Container, volume, at string) bool {
	for _, m := range c.VolumeMounts {
		if m.Name == volume && m.MountPath == at {
			return true
		}
	}
	return false
}

// collision names the first thing in a pod without our sidecar that has one of
// our names or places; empty if there is none.
func collision(pod *corev1.Pod) string {
	for _, v := range pod.Spec.Volumes {
		if isOurVolume(v.Name) {
			return "volume " + v.Name
		}
	}
	for _, c := range pod.Spec.EphemeralContainers {
		if c.Name == sidecarName {
			return "ephemeral container " + c.Name
		}
	}
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			if what := containerCollision(&containers[i]); what != "" {
				return what
			}
		}
	}
	return ""
}

func containerCollision(c *corev1.Container) string {
	if c.Name == sidecarName {
		return "container " + c.Name
	}
	for _, m := range c.VolumeMounts {
		if p := path.Clean(m.MountPath); within(p, contract.MountPath) || within(p, runPath) {
			return fmt.Sprintf("container %s, mount path %s", c.Name, m.MountPath)
		}
	}
	for _, e := range c.Env {
		if e.Name == contract.EnvContainer && (e.Value != c.Name || e.ValueFrom != nil) {
			return fmt.Sprintf("container %s, variable %s", c.Name, e.Name)
		}
	}
	return ""
}

func within(p, directory string) bool { return p == directory || covers(directory, p) }

func isOurVolume(name string) bool {
	switch name {
	case contract.LibraryVolume, contract.StateVolume, contract.PodVolume, contract.TokenVolume, contract.LegacySharedVolume:
		return true
	}
	return strings.HasPrefix(name, contract.RecordingsVolume+"-") || strings.HasPrefix(name, contract.TmpVolume+"-")
}
