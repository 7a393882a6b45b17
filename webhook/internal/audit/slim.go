package audit

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/webhook/internal/inject"
)

// Slim is the transform of the cache of all pods of the cluster: it keeps what
// says whether a pod opted in and has the sidecar, a few hundred bytes of a
// pod's ten thousand. Decisions need the whole pod, which the audit asks for
// where it matters.
func Slim(object any) (any, error) {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return object, nil
	}
	kept := ours(pod.Labels)
	if inject.HasSidecar(pod) {
		kept = pod.Labels // network policies select by any of them
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name:              pod.Name,
			Namespace:         pod.Namespace,
			UID:               pod.UID,
			ResourceVersion:   pod.ResourceVersion,
			CreationTimestamp: pod.CreationTimestamp,
			DeletionTimestamp: pod.DeletionTimestamp,
			OwnerReferences:   pod.OwnerReferences,
			Annotations:       ours(pod.Annotations),
			Labels:            kept,
		},
		Spec: corev1.PodSpec{
			Containers:     sidecars(pod.Spec.Containers),
			InitContainers: sidecars(pod.Spec.InitContainers),
		},
		Status: corev1.PodStatus{
			Phase:                 pod.Status.Phase,
			InitContainerStatuses: ourStatus(pod.Status.InitContainerStatuses),
			ContainerStatuses:     ourStatus(pod.Status.ContainerStatuses),
		},
	}, nil
}

// WantsTrust says whether a slim pod uploads to the backend, or should.
func WantsTrust(pod *corev1.Pod) bool {
	enabled, _ := inject.PodEnabled(pod)
	return enabled == "true" || inject.HasSidecar(pod)
}

// ours keeps what the decision to look closer is made from.
func ours(all map[string]string) map[string]string {
	var kept map[string]string
	for key, value := range all {
		if strings.HasPrefix(key, contract.Prefix) || key == corev1.MirrorPodAnnotationKey {
			if kept == nil {
				kept = map[string]string{}
			}
			kept[key] = value
		}
	}
	return kept
}

func sidecars(all []corev1.Container) []corev1.Container {
	for i := range all {
		if all[i].Name == contract.ContainerName {
			return []corev1.Container{{Name: all[i].Name, Image: all[i].Image, VolumeMounts: all[i].VolumeMounts, Env: nameOfService(all[i].Env)}}
		}
	}
	return nil
}

func nameOfService(all []corev1.EnvVar) []corev1.EnvVar {
	if i := slices.IndexFunc(all, func(v corev1.EnvVar) bool { return v.Name == contract.EnvService }); i >= 0 {
		return []corev1.EnvVar{all[i]}
	}
	return nil
}

// serviceOf is what the sidecar calls the service; empty if there is none.
func serviceOf(pod *corev1.Pod) string {
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		if i := slices.IndexFunc(containers, func(c corev1.Container) bool { return c.Name == contract.ContainerName }); i >= 0 {
			for _, variable := range nameOfService(containers[i].Env) {
				return variable.Value
			}
		}
	}
	return ""
}

func ourStatus(all []corev1.ContainerStatus) []corev1.ContainerStatus {
	for i := range all {
		if all[i].Name != contract.ContainerName {
			continue
		}
		kept := corev1.ContainerStatus{Name: all[i].Name}
		if waiting := all[i].State.Waiting; waiting != nil {
			kept.State.Waiting = &corev1.ContainerStateWaiting{Reason: waiting.Reason}
		}
		if running := all[i].State.Running; running != nil {
			kept.State.Running = running
		}
		return []corev1.ContainerStatus{kept}
	}
	return nil
}
