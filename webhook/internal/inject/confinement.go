package inject

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// confinement is what AppArmor and SELinux make of a container, beyond what the
// whole pod has. Both let one process look into another where both are confined
// alike.
type confinement struct {
	appArmor *corev1.AppArmorProfile
	seLinux  *corev1.SELinuxOptions
}

// commonConfinement is that of the profiled containers, or none, with a warning,
// where they differ.
func commonConfinement(pod *corev1.Pod, containers []*corev1.Container, asked *annotations) confinement {
	first := confinementOf(pod, containers[0])
	for _, c := range containers[1:] {
		if other := confinementOf(pod, c); !equality.Semantic.DeepEqual(first.appArmor, other.appArmor) || !equality.Semantic.DeepEqual(first.seLinux, other.seLinux) {
			asked.warn(ConfinementDiffers, "containers "+containers[0].Name+" and "+c.Name)
			return confinement{}
		}
	}
	return first
}

func confinementOf(pod *corev1.Pod, c *corev1.Container) confinement {
	found := confinement{appArmor: annotatedAppArmor(pod.Annotations[corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix+c.Name])}
	if c.SecurityContext != nil {
		found.appArmor = firstSet(c.SecurityContext.AppArmorProfile, found.appArmor)
		found.seLinux = c.SecurityContext.SELinuxOptions
	}
	return found
}

// annotatedAppArmor reads the annotation that was there before the field; nil if
// it is empty or says nothing that is known.
func annotatedAppArmor(value string) *corev1.AppArmorProfile {
	if profile, local := strings.CutPrefix(value, corev1.DeprecatedAppArmorBetaProfileNamePrefix); local {
		return &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeLocalhost, LocalhostProfile: &profile}
	}
	switch value {
	case corev1.DeprecatedAppArmorBetaProfileRuntimeDefault:
		return &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeRuntimeDefault}
	case corev1.DeprecatedAppArmorBetaProfileNameUnconfined:
		return &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined}
	}
	return nil
}
