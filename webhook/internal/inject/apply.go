package inject

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
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
		annotate(out, evictableKey, evictable(pod, d.Plan, cfg))
		for _, key := range d.Plan.MeshAnnotations {
			annotate(out, key, withPort(pod.Annotations[key], backendPort(cfg)))
		}
		annotate(out, contract.Status, d.status(cfg).json())
	case d.Asked() && !HasSidecar(pod):
		if annotate(out, contract.Status, d.status(cfg).json()); !annotationsFit(out) {
			return pod.DeepCopy()
		}
	}
	return out
}

func addSidecar(pod *corev1.Pod, plan Plan, cfg Config) {
	share := true
	pod.Spec.ShareProcessNamespace = &share
	pod.Spec.Resources = changed(withoutSidecar(pod).Spec.Resources, plan.Raised, (*resource.Quantity).Add)
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
	for _, name := range cfg.PullSecrets {
		pod.Spec.ImagePullSecrets = upsert(pod.Spec.ImagePullSecrets, corev1.LocalObjectReference{Name: name},
			func(r corev1.LocalObjectReference) string { return r.Name })
	}
	list := &pod.Spec.Containers
	if plan.Native {
		list = &pod.Spec.InitContainers
	}
	want := sidecarContainer(plan, cfg)
	if i := indexOf(*list, sidecarName); i >= 0 {
		refresh(&(*list)[i], want)
		return
	}
	*list = append(*list, want)
}

// prepare gives a profiled container its name and the volumes.
func prepare(c *corev1.Container, plan Plan) {
	c.Env = upsert(c.Env, corev1.EnvVar{Name: contract.EnvContainer, Value: c.Name}, envName)
	addMount(c, recordingsMount(c.Name))
	addMount(c, corev1.VolumeMount{Name: contract.LibraryVolume, MountPath: contract.LibraryPath, ReadOnly: true})
	if slices.Contains(plan.TmpFor, c.Name) {
		addMount(c, corev1.VolumeMount{Name: volumeName(contract.TmpVolume, c.Name), MountPath: tmpPath})
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

func annotate(pod *corev1.Pod, key, value string) {
	if pod.Annotations == nil {
		pod.Annotations = map[string]string{}
	}
	pod.Annotations[key] = value
}

// annotationsFit tells whether the API server would still take the pod.
func annotationsFit(pod *corev1.Pod) bool {
	total := 0
	for key, value := range pod.Annotations {
		total += len(key) + len(value)
	}
	return total <= validation.TotalAnnotationSizeLimitB
}

func recordingsMount(container string) corev1.VolumeMount {
	return corev1.VolumeMount{
		Name: volumeName(contract.RecordingsVolume, container), MountPath: contract.RecordingsPath + "/" + container,
	}
}

const maxVolumeName = 63

// volumeName is the name of a volume that each container has one of. A name
// that would be too long ends in a hash.
func volumeName(prefix, container string) string {
	name := prefix + "-" + container
	if len(name) <= maxVolumeName {
		return name
	}
	sum := fnv.New32a()
	sum.Write([]byte(container))
	const hashLength = 9
	return fmt.Sprintf("%s-%08x", name[:maxVolumeName-hashLength], sum.Sum32())
}
