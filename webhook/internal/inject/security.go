package inject

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	psaapi "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// security is a row of the decision table, for the containers that remain.
type security struct {
	row        Security
	uid, gid   int64
	containers []*corev1.Container
}

// secure chooses the row. It leaves out containers whose JVM the kernel would
// not let the sidecar reach, and refuses where only a root sidecar would do and
// root is not welcome.
func secure(pod *corev1.Pod, ns *corev1.Namespace, containers []*corev1.Container, asked *annotations, cfg Config) (security, Finding) {
	containers, outcome := keepUsable(containers, asked, func(c *corev1.Container) Finding {
		if id := identityOf(pod, c, asked); id.isRoot() && capabilitiesOf(c) == extraCapabilities && !cfg.AllowSysPtrace {
			return finding(CapabilitiesExceed, "container "+c.Name)
		}
		return Finding{}
	})
	if outcome.Reason != "" {
		return security{}, outcome
	}
	s := security{containers: containers}
	common, same := commonIdentity(pod, containers, asked)
	if same && *common.uid != 0 {
		s.row, s.uid, s.gid = SameUser, *common.uid, *common.gid
		return s, Finding{}
	}
	if outcome := rootUnwelcome(pod, ns, containers, asked, cfg); outcome.Reason != "" {
		return security{}, outcome
	}
	s.row, s.gid = rootRow(pod, containers, asked, cfg)
	return s, Finding{}
}

// identity is a JVM's user and group as far as the manifest knows; nil is
// unknown, because then the image decides.
type identity struct{ uid, gid *int64 }

func (id identity) isRoot() bool { return id.uid != nil && *id.uid == 0 }

// identityOf prefers the annotation, which speaks of the JVM itself, where the
// securityContext speaks of the container's first process. A group that the
// annotation leaves out is the securityContext's, or else 0, which is what a
// runtime gives to a user that the image does not list.
func identityOf(pod *corev1.Pod, c *corev1.Container, asked *annotations) identity {
	var id identity
	if p := pod.Spec.SecurityContext; p != nil {
		id = identity{p.RunAsUser, p.RunAsGroup}
	}
	if s := c.SecurityContext; s != nil {
		id = identity{firstSet(s.RunAsUser, id.uid), firstSet(s.RunAsGroup, id.gid)}
	}
	if asked.user != nil {
		id = identity{&asked.user.uid, firstSet(asked.user.gid, id.gid, new(int64))}
	}
	return id
}

func firstSet[T any](values ...*T) *T {
	for _, v := range values {
		if v != nil {
			return v
		}
	}
	return nil
}

// commonIdentity is the one user and group of all containers; false if they
// differ or are not all known.
func commonIdentity(pod *corev1.Pod, containers []*corev1.Container, asked *annotations) (identity, bool) {
	first := identityOf(pod, containers[0], asked)
	for _, c := range containers {
		id := identityOf(pod, c, asked)
		if id.uid == nil || id.gid == nil || *id.uid != *first.uid || *id.gid != *first.gid {
			return identity{}, false
		}
	}
	return first, true
}

// rootUnwelcome refuses a root sidecar where the namespace would refuse the pod
// with it, and where the pod's author promised that nothing in it is root: any
// policy that checks this promise would refuse the pod because of us.
func rootUnwelcome(pod *corev1.Pod, ns *corev1.Namespace, containers []*corev1.Container, asked *annotations, cfg Config) Finding {
	detail := describeIdentities(pod, containers, asked)
	if ns != nil && ns.Labels[psaapi.EnforceLevelLabel] == string(psaapi.LevelRestricted) {
		return finding(RestrictedUIDUnknown, detail)
	}
	if cfg.RootInNonRootPods {
		return Finding{}
	}
	if declaresNonRoot(pod, containers) || meetsRestricted(pod) {
		return finding(NonRootUIDUnknown, detail)
	}
	return Finding{}
}

func describeIdentities(pod *corev1.Pod, containers []*corev1.Container, asked *annotations) string {
	parts := make([]string, len(containers))
	for i, c := range containers {
		id := identityOf(pod, c, asked)
		parts[i] = fmt.Sprintf("%s is %s:%s", c.Name, describeID(id.uid), describeID(id.gid))
	}
	return strings.Join(parts, ", ")
}

func describeID(id *int64) string {
	if id == nil {
		return "unknown"
	}
	return fmt.Sprint(*id)
}

func declaresNonRoot(pod *corev1.Pod, containers []*corev1.Container) bool {
	for _, c := range containers {
		var declared *bool
		if pod.Spec.SecurityContext != nil {
			declared = pod.Spec.SecurityContext.RunAsNonRoot
		}
		if c.SecurityContext != nil {
			declared = firstSet(c.SecurityContext.RunAsNonRoot, declared)
		}
		if declared == nil || !*declared {
			return false
		}
	}
	return true
}

// evaluator is Kubernetes' own judgement of Pod Security levels.
var evaluator = sync.OnceValues(func() (policy.Evaluator, error) { return policy.NewEvaluator(policy.DefaultChecks(), nil) })

// meetsRestricted also catches what declaresNonRoot does not, such as pods in a
// user namespace. It is asked of pods without our sidecar in them.
func meetsRestricted(pod *corev1.Pod) bool {
	judge, err := evaluator()
	if err != nil {
		return true
	}
	bare := withoutSidecar(pod)
	level := psaapi.LevelVersion{Level: psaapi.LevelRestricted, Version: psaapi.LatestVersion()}
	return policy.AggregateCheckResults(judge.EvaluatePod(level, &bare.ObjectMeta, &bare.Spec)).Allowed
}

func withoutSidecar(pod *corev1.Pod) *corev1.Pod {
	isSidecar := func(c corev1.Container) bool { return c.Name == sidecarName }
	bare := *pod
	bare.Spec.InitContainers = slices.DeleteFunc(slices.Clone(pod.Spec.InitContainers), isSidecar)
	bare.Spec.Containers = slices.DeleteFunc(slices.Clone(pod.Spec.Containers), isSidecar)
	return &bare
}

// rootRow is the least that reaches every container. Switching to a JVM's user
// needs the default capabilities, and so does a root JVM that has them.
func rootRow(pod *corev1.Pod, containers []*corev1.Container, asked *annotations, cfg Config) (row Security, gid int64) {
	bare := true
	for _, c := range containers {
		id, caps := identityOf(pod, c, asked), capabilitiesOf(c)
		bare = bare && id.isRoot() && caps == noCapabilities
		if caps != extraCapabilities || id.uid != nil && *id.uid != 0 {
			continue
		}
		if cfg.AllowSysPtrace {
			row = RootPtrace
			continue
		}
		asked.warn(CapabilitiesUncertain, "container "+c.Name)
	}
	switch {
	case row != "":
		return row, 0
	case bare:
		return bareRootRow(pod, containers, asked)
	}
	return Root, 0
}

// bareRootRow needs no capability if the group is the same too; without
// SETGID the sidecar could not take another.
func bareRootRow(pod *corev1.Pod, containers []*corev1.Container, asked *annotations) (Security, int64) {
	gids := map[int64]bool{}
	for _, c := range containers {
		gid := int64(0)
		if id := identityOf(pod, c, asked); id.gid != nil {
			gid = *id.gid
		}
		gids[gid] = true
	}
	if len(gids) > 1 {
		return Root, 0
	}
	for gid := range gids {
		return RootNoCapabilities, gid
	}
	return Root, 0
}

// capabilities is what a root process of a container would have.
type capabilities int

const (
	noCapabilities capabilities = iota
	usualCapabilities
	extraCapabilities
)

// runtimeDefaults are the capabilities that containerd gives to root.
var runtimeDefaults = []corev1.Capability{
	"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW",
	"SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
}

func capabilitiesOf(c *corev1.Container) capabilities {
	s := c.SecurityContext
	switch {
	case s == nil:
		return usualCapabilities
	case s.Privileged != nil && *s.Privileged:
		return extraCapabilities
	case s.Capabilities == nil:
		return usualCapabilities
	}
	for _, added := range s.Capabilities.Add {
		if !slices.Contains(runtimeDefaults, plainName(added)) {
			return extraCapabilities
		}
	}
	if len(s.Capabilities.Add) == 0 && slices.ContainsFunc(s.Capabilities.Drop, func(d corev1.Capability) bool { return plainName(d) == "ALL" }) {
		return noCapabilities
	}
	return usualCapabilities
}

func plainName(c corev1.Capability) corev1.Capability {
	return corev1.Capability(strings.TrimPrefix(strings.ToUpper(string(c)), "CAP_"))
}
