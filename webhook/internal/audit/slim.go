package audit

import (
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
			Labels:            ours(pod.Labels),
		},
		Spec: corev1.PodSpec{
			Containers:     sidecars(pod.Spec.Containers),
			InitContainers: sidecars(pod.Spec.InitContainers),
		},
		Status: corev1.PodStatus{Phase: pod.Status.Phase},
	}, nil
}

// WantsTrust says whether a slim pod uploads to the backend, or should.
func WantsTrust(pod *corev1.Pod) bool {
	return pod.Annotations[contract.Enabled] == "true" || pod.Labels[contract.Enabled] == "true" || inject.HasSidecar(pod)
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
			return []corev1.Container{{Name: all[i].Name, VolumeMounts: all[i].VolumeMounts}}
		}
	}
	return nil
}
