package inject

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// unsuitable names what makes a whole pod impossible to profile.
func unsuitable(pod *corev1.Pod, cfg Config) Finding {
	spec := &pod.Spec
	switch {
	case isWindows(spec):
		return finding(Windows, "")
	case spec.HostPID:
		return finding(HostPID, "")
	case spec.ShareProcessNamespace != nil && !*spec.ShareProcessNamespace:
		return finding(ShareProcessNamespaceFalse, "")
	}
	if foreign := foreignArchitecture(spec, cfg.Architectures); foreign != "" {
		return finding(ArchitectureUnsupported, foreign)
	}
	if what := needsPID1(pod); what != "" {
		return finding(NeedsPID1, what)
	}
	return Finding{}
}

// isWindows believes the pod's operating system, then the nodes it may run on,
// then options that only Windows has.
func isWindows(spec *corev1.PodSpec) bool {
	if spec.OS != nil {
		return spec.OS.Name == corev1.Windows
	}
	for _, label := range []string{corev1.LabelOSStable, "beta.kubernetes.io/os"} {
		if systems := nodeValues(spec, label); systems != nil {
			return !slices.Contains(systems, "linux") && slices.Contains(systems, "windows")
		}
	}
	if nodeValues(spec, corev1.LabelWindowsBuild) != nil {
		return true
	}
	if spec.SecurityContext != nil && spec.SecurityContext.WindowsOptions != nil {
		return true
	}
	return slices.ContainsFunc(spec.Containers, func(c corev1.Container) bool {
		return c.SecurityContext != nil && c.SecurityContext.WindowsOptions != nil
	})
}

// foreignArchitecture is what the pod's nodes must be, if the sidecar exists for
// none of it.
func foreignArchitecture(spec *corev1.PodSpec, ours []string) string {
	for _, label := range []string{corev1.LabelArchStable, "beta.kubernetes.io/arch"} {
		required := nodeValues(spec, label)
		if required != nil && !slices.ContainsFunc(required, func(a string) bool { return slices.Contains(ours, a) }) {
			return strings.Join(required, ", ")
		}
	}
	return ""
}

// nodeValues are the values of a node's label to which the pod's node selector
// and required affinity limit it; nil if they do not.
func nodeValues(spec *corev1.PodSpec, label string) []string {
	if value, set := spec.NodeSelector[label]; set {
		return []string{value}
	}
	if spec.Affinity == nil || spec.Affinity.NodeAffinity == nil || spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return nil
	}
	var values []string
	for _, term := range spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		i := slices.IndexFunc(term.MatchExpressions, func(r corev1.NodeSelectorRequirement) bool {
			return r.Key == label && r.Operator == corev1.NodeSelectorOpIn
		})
		if i < 0 {
			return nil // a node of this term may have any value
		}
		values = append(values, term.MatchExpressions[i].Values...)
	}
	return values
}

// isSandboxed says whether the pod's runtime class has the name of one that puts
// a kernel of its own under the pod, in which attaching was never tried.
func isSandboxed(spec *corev1.PodSpec) bool {
	if spec.RuntimeClassName == nil {
		return false
	}
	name := strings.ToLower(*spec.RuntimeClassName)
	return slices.ContainsFunc([]string{"gvisor", "runsc", "kata"}, func(s string) bool { return strings.Contains(name, s) })
}
