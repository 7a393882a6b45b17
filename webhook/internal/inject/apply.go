package inject

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/validation"

	"github.com/podflame/podflame/sidecar/contract"
)

// Apply returns a copy of pod on which d is carried out: the sidecar, or, for a
// pod that asked and is skipped, the status annotation alone. It only adds, and
// what it added before it updates in place, so that nothing another webhook
// put beside it moves.
func Apply(pod *corev1.Pod, d Decision, cfg Config) *corev1.Pod {
	out := pod.DeepCopy()
	switch {
	case d.Inject:
		addSidecar(out, d.Plan, cfg)
		setStatus(out, d.status(cfg).json())
	case d.Asked() && !HasSidecar(pod):
		if status := d.status(cfg).json(); annotationFits(pod, status) {
			setStatus(out, status)
		}
	}
	return out
}

func addSidecar(pod *corev1.Pod, plan Plan, cfg Config) {
	share := true
	pod.Spec.ShareProcessNamespace = &share
	for _, v := range volumes(plan, cfg) {
		pod.Spec.Volumes = upsert(pod.Spec.Volumes, v, func(v corev1.Volume) string { return v.Name })
	}
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			if slices.Contains(plan.Containers, containers[i].Name) {
				prepare(&containers[i], plan)
			}
		}
	}
	list := &pod.Spec.Containers
	if plan.Native {
		list = &pod.Spec.InitContainers
	}
	want := sidecarContainer(pod, plan, cfg)
	if i := indexOf(*list, sidecarName); i >= 0 {
		refresh(&(*list)[i], want)
		return
	}
	*list = append(*list, want)
}

// prepare gives a profiled container its name and the volumes.
func prepare(c *corev1.Container, plan Plan) {
	c.Env = upsert(c.Env, corev1.EnvVar{Name: contract.EnvContainer, Value: c.Name}, envName)
	addMount(c, corev1.VolumeMount{Name: contract.SharedVolume, MountPath: contract.SharedPath})
	if slices.Contains(plan.TmpFor, c.Name) {
		addMount(c, corev1.VolumeMount{Name: tmpVolumeName(c.Name), MountPath: tmpPath})
	}
}

func envName(e corev1.EnvVar) string { return e.Name }

// refresh sets what is ours in a sidecar that is already there, and keeps what
// the API server or another webhook added: a LimitRange's defaults, for one,
// which the pod would be refused without.
func refresh(c *corev1.Container, want corev1.Container) {
	for _, e := range want.Env {
		c.Env = upsert(c.Env, e, envName)
	}
	for _, m := range want.VolumeMounts {
		addMount(c, m)
	}
	for _, p := range want.Ports {
		c.Ports = upsert(c.Ports, p, func(p corev1.ContainerPort) string { return p.Name })
	}
	c.Resources.Requests = withResources(c.Resources.Requests, want.Resources.Requests)
	c.Resources.Limits = withResources(c.Resources.Limits, want.Resources.Limits)
	c.Image, c.RestartPolicy, c.SecurityContext = want.Image, want.RestartPolicy, want.SecurityContext
	c.TerminationMessagePolicy = want.TerminationMessagePolicy
	if want.ImagePullPolicy != "" {
		c.ImagePullPolicy = want.ImagePullPolicy
	}
}

func withResources(have, want corev1.ResourceList) corev1.ResourceList {
	if have == nil {
		return want
	}
	maps.Copy(have, want)
	return have
}

func addMount(c *corev1.Container, m corev1.VolumeMount) {
	c.VolumeMounts = upsert(c.VolumeMounts, m, func(m corev1.VolumeMount) string { return m.MountPath })
}

// upsert replaces the element of the same key, or appends.
func upsert[T any](list []T, element T, key func(T) string) []T {
	if i := slices.IndexFunc(list, func(e T) bool { return key(e) == key(element) }); i >= 0 {
		list[i] = element
		return list
	}
	return append(list, element)
}

func setStatus(pod *corev1.Pod, status string) {
	if pod.Annotations == nil {
		pod.Annotations = map[string]string{}
	}
	pod.Annotations[contract.Status] = status
}

// annotationFits tells whether the API server would still take the pod.
func annotationFits(pod *corev1.Pod, status string) bool {
	total := len(contract.Status) + len(status)
	for key, value := range pod.Annotations {
		if key != contract.Status {
			total += len(key) + len(value)
		}
	}
	return total <= validation.TotalAnnotationSizeLimitB
}

const maxVolumeName = 63

// tmpVolumeName is one volume per container, as they had a /tmp each before. A
// name that would be too long ends in a hash.
func tmpVolumeName(container string) string {
	name := contract.TmpVolume + "-" + container
	if len(name) <= maxVolumeName {
		return name
	}
	sum := fnv.New32a()
	sum.Write([]byte(container))
	const hashLength = 9
	return fmt.Sprintf("%s-%08x", name[:maxVolumeName-hashLength], sum.Sum32())
}
