package inject

import (
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/podflame/podflame/sidecar/contract"
)

const sidecarName = contract.ContainerName

// selectContainers are the containers to profile, in the order of the pod. A
// container that cannot be profiled is left out with a warning; if none
// remains, the first one's reason is the outcome.
func selectContainers(pod *corev1.Pod, ours bool, asked *annotations, cfg Config) ([]*corev1.Container, Finding) {
	wanted, outcome := wantedContainers(pod, ours, asked, cfg)
	if outcome.Reason != "" {
		return nil, outcome
	}
	return keepUsable(wanted, asked, func(c *corev1.Container) Finding { return unusable(pod, c) })
}

// keepUsable leaves out the containers for which problem finds one.
func keepUsable(containers []*corev1.Container, asked *annotations, problem func(*corev1.Container) Finding) ([]*corev1.Container, Finding) {
	var kept []*corev1.Container
	var problems []Finding
	for _, c := range containers {
		if f := problem(c); f.Reason != "" {
			problems = append(problems, f)
			asked.leftOut = append(asked.leftOut, c.Name)
			continue
		}
		kept = append(kept, c)
	}
	if len(kept) == 0 {
		return nil, problems[0]
	}
	for _, f := range problems {
		asked.warn(ContainerLeftOut, f.Detail+": "+string(f.Reason))
	}
	return kept, Finding{}
}

// wantedContainers does not widen the choice of an earlier call: a container
// that another webhook added since is that webhook's sidecar, not an
// application.
func wantedContainers(pod *corev1.Pod, ours bool, asked *annotations, cfg Config) ([]*corev1.Container, Finding) {
	switch {
	case asked.containers != nil:
		return namedContainers(pod, asked)
	case ours:
		if wanted := earlierContainers(pod); len(wanted) > 0 {
			return wanted, Finding{}
		}
	}
	return allContainers(pod, cfg)
}

func earlierContainers(pod *corev1.Pod) []*corev1.Container {
	status, _ := StatusOf(pod)
	var wanted []*corev1.Container
	for _, c := range candidateContainers(pod) {
		if slices.Contains(status.Containers, c.Name) || slices.Contains(status.LeftOut, c.Name) {
			wanted = append(wanted, c)
		}
	}
	return wanted
}

func namedContainers(pod *corev1.Pod, asked *annotations) ([]*corev1.Container, Finding) {
	candidates := candidateContainers(pod)
	var wanted []*corev1.Container
	for _, c := range candidates {
		if slices.Contains(asked.containers, c.Name) {
			wanted = append(wanted, c)
		}
	}
	if len(wanted) == 0 {
		return nil, finding(UnknownContainer, fmt.Sprintf("%q; the pod has %s",
			printable(strings.Join(asked.containers, ","), maxQuoted), namesOf(candidates)))
	}
	for _, name := range asked.containers {
		if !slices.ContainsFunc(wanted, func(c *corev1.Container) bool { return c.Name == name }) {
			asked.warn(MissingContainer, fmt.Sprintf("%q; the pod has %s", printable(name, maxQuoted), namesOf(candidates)))
		}
	}
	return wanted, Finding{}
}

func allContainers(pod *corev1.Pod, cfg Config) ([]*corev1.Container, Finding) {
	var wanted []*corev1.Container
	var ignored []string
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		switch {
		case c.Name == sidecarName:
		case isHelper(c, cfg):
			ignored = append(ignored, c.Name)
		default:
			wanted = append(wanted, c)
		}
	}
	if len(wanted) == 0 {
		return nil, finding(NoContainer, "left out: "+strings.Join(ignored, ", "))
	}
	return wanted, Finding{}
}

// candidateContainers are those that may be named: the ordinary ones, and init
// containers that run as long as the pod does.
func candidateContainers(pod *corev1.Pod) []*corev1.Container {
	var candidates []*corev1.Container
	for i := range pod.Spec.InitContainers {
		if c := &pod.Spec.InitContainers[i]; c.Name != sidecarName && isRestartable(c) {
			candidates = append(candidates, c)
		}
	}
	for i := range pod.Spec.Containers {
		if c := &pod.Spec.Containers[i]; c.Name != sidecarName {
			candidates = append(candidates, c)
		}
	}
	return candidates
}

func isRestartable(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

func namesOf(containers []*corev1.Container) string {
	names := make([]string, len(containers))
	for i, c := range containers {
		names[i] = c.Name
	}
	return strings.Join(names, ", ")
}

// unusable names what keeps one container from being profiled.
func unusable(pod *corev1.Pod, c *corev1.Container) Finding {
	for _, m := range c.VolumeMounts {
		if !isReadOnly(pod, m) {
			continue
		}
		where := fmt.Sprintf("container %s, mount %s", c.Name, m.MountPath)
		switch p := path.Clean(m.MountPath); {
		case p == tmpPath:
			return finding(TmpReadOnly, where)
		case covers(p, contract.RecordingsPath), covers(p, runPath+"/recordings"):
			return finding(MountPathReadOnly, where)
		}
	}
	return Finding{}
}

const (
	tmpPath = "/tmp"
	// runPath is what contract.MountPath is in the many images whose /var/run is
	// a link to /run.
	runPath = "/run/podflame"
)

// covers tells whether p is a directory above below.
func covers(p, below string) bool {
	return strings.HasPrefix(below, strings.TrimSuffix(p, "/")+"/")
}

// isReadOnly tells whether nothing can be created in the mount, be it for the
// mount's sake or for the kind of its volume.
func isReadOnly(pod *corev1.Pod, m corev1.VolumeMount) bool {
	if m.ReadOnly {
		return true
	}
	i := slices.IndexFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name })
	if i < 0 {
		return false
	}
	source := pod.Spec.Volumes[i].VolumeSource
	return source.ConfigMap != nil || source.Secret != nil || source.DownwardAPI != nil ||
		source.Projected != nil || source.Image != nil ||
		source.PersistentVolumeClaim != nil && source.PersistentVolumeClaim.ReadOnly
}

// needsTmp tells whether HotSpot would find nowhere to put its attach socket.
// A volume of ours on /tmp, from an earlier call, counts as none.
func needsTmp(c *corev1.Container) bool {
	if c.SecurityContext == nil || c.SecurityContext.ReadOnlyRootFilesystem == nil || !*c.SecurityContext.ReadOnlyRootFilesystem {
		return false
	}
	return !slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool {
		return path.Clean(m.MountPath) == tmpPath && m.Name != volumeName(contract.TmpVolume, c.Name)
	})
}

func indexOf(containers []corev1.Container, name string) int {
	return slices.IndexFunc(containers, func(c corev1.Container) bool { return c.Name == name })
}
