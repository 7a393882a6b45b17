package inject

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	nameLabel    = "app.kubernetes.io/name"
	versionLabel = "app.kubernetes.io/version"
	appLabel     = "app"
	unnamed      = "unnamed"
)

// serviceName takes the first that there is: annotation, app.kubernetes.io/name,
// the owner without its hash, the label app, the pod.
func serviceName(pod *corev1.Pod, asked *annotations) string {
	candidates := []string{
		asked.service, pod.Labels[nameLabel], ownerName(pod), pod.Labels[appLabel],
		pod.Name, strings.TrimRight(pod.GenerateName, "-."), unnamed,
	}
	for _, name := range candidates {
		if len(name) > maxName {
			name = strings.TrimRight(name[:maxName], "-._")
		}
		if nameSyntax.MatchString(name) {
			return name
		}
	}
	return unnamed
}

var (
	// replicaHash is a pod-template-hash: Kubernetes writes them without vowels,
	// and without digits that look like letters.
	replicaHash = regexp.MustCompile(`-[bcdfghjklmnpqrstvwxz2456789]{5,10}$`)
	cronTime    = regexp.MustCompile(`-\d{8,10}$`) // minutes of the epoch that a CronJob appends
)

func ownerName(pod *corev1.Pod) string {
	owner := metav1.GetControllerOfNoCopy(pod)
	switch {
	case owner == nil:
		return ""
	case owner.Kind == "Job":
		return cronTime.ReplaceAllString(owner.Name, "")
	case owner.Kind != "ReplicaSet":
		return owner.Name
	}
	for _, key := range []string{"pod-template-hash", "rollouts-pod-template-hash"} {
		if hash := pod.Labels[key]; hash != "" {
			if name, ok := strings.CutSuffix(owner.Name, "-"+hash); ok {
				return name
			}
		}
	}
	return replicaHash.ReplaceAllString(owner.Name, "")
}

// versionName takes the annotation, the label app.kubernetes.io/version, or the
// tag of the container's image; empty if there is none that says anything.
func versionName(pod *corev1.Pod, c *corev1.Container, asked *annotations) string {
	for _, name := range []string{asked.version, pod.Labels[versionLabel], imageVersion(c.Image)} {
		if len(name) <= maxName && nameSyntax.MatchString(name) {
			return name
		}
	}
	return ""
}

const digestShown = len("sha256:") + 12

// imageVersion is the tag of an image, or the beginning of its digest. The tag
// latest is none.
func imageVersion(image string) string {
	name, digest, _ := strings.Cut(image, "@")
	_, tag, _ := strings.Cut(name[strings.LastIndexByte(name, '/')+1:], ":")
	if tag != "" && tag != "latest" {
		return tag
	}
	return digest[:min(len(digest), digestShown)]
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
