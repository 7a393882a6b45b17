package inject

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	psaapi "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// security is a row of the decision table, for the containers that remain.
type security struct {
	row        Security
	uid, gid   int64
	add        []corev1.Capability // of a sidecar that switches users
	containers []*corev1.Container
}

// secure chooses the row. It leaves out containers whose JVM the kernel would
// not let the sidecar reach. Where only a root sidecar would reach all of them
// and root is not welcome, those of one user remain; if none is known, that is
// the outcome.
func secure(pod *corev1.Pod, ns *Namespace, containers []*corev1.Container, asked *annotations, cfg Config) (security, Finding) {
	containers, outcome := keepUsable(containers, asked, func(c *corev1.Container) Finding {
		if id := identityOf(pod, c, asked); id.isRoot() && capabilitiesOf(c) == extraCapabilities && !cfg.AllowSysPtrace {
			return finding(CapabilitiesExceed, "container "+c.Name)
		}
		return Finding{}
	})
	if outcome.Reason != "" {
		return security{}, outcome
	}
	if commonUser(pod, containers, asked) {
		return sameUser(pod, containers, asked), Finding{}
	}
	if outcome := rootUnwelcome(pod, ns, containers, asked, cfg); outcome.Reason != "" {
		containers, problem := ofOneUser(pod, containers, asked, cfg, outcome)
		if problem.Reason != "" {
			return security{}, problem
		}
		return sameUser(pod, containers, asked), Finding{}
	}
	s := rootRow(pod, containers, asked, cfg)
	s.containers = containers
	return s, Finding{}
}

// sameUser is the row of containers that share a user that is known.
func sameUser(pod *corev1.Pod, containers []*corev1.Container, asked *annotations) security {
	id := identityOf(pod, containers[0], asked)
	if id.gid == nil && !groupIsZero(pod) {
		asked.warn(GroupAssumed, describeIdentities(pod, containers, asked))
	}
	return security{row: SameUser, uid: *id.uid, gid: id.group(), containers: containers}
}

// ofOneUser keeps the containers of the application's user, or else of the
// first that is known.
func ofOneUser(pod *corev1.Pod, containers []*corev1.Container, asked *annotations, cfg Config, outcome Finding) ([]*corev1.Container, Finding) {
	known := func(c *corev1.Container) bool {
		id := identityOf(pod, c, asked)
		return id.uid != nil && !id.isRoot()
	}
	chosen := application(pod, containers, cfg)
	if !known(chosen) {
		i := slices.IndexFunc(containers, known)
		if i < 0 {
			return nil, outcome
		}
		chosen = containers[i]
	}
	return keepUsable(containers, asked, func(c *corev1.Container) Finding {
		if sameIdentity(identityOf(pod, c, asked), identityOf(pod, chosen, asked)) {
			return Finding{}
		}
		return finding(outcome.Reason, "container "+describeIdentities(pod, []*corev1.Container{c}, asked))
	})
}

// identity is a JVM's user and group as far as the manifest knows; nil is
// unknown, because then the image decides.
type identity struct{ uid, gid *int64 }

func (id identity) isRoot() bool { return id.uid != nil && *id.uid == 0 }

// group takes a group that is not known for 0, which is what a runtime gives to
// a user that the image does not list.
func (id identity) group() int64 {
	if id.gid == nil {
		return 0
	}
	return *id.gid
}

// identityOf prefers the annotation, which speaks of the JVM itself, where the
// securityContext speaks of the container's first process. A group that the
// annotation leaves out is the securityContext's.
func identityOf(pod *corev1.Pod, c *corev1.Container, asked *annotations) identity {
	var id identity
	if p := pod.Spec.SecurityContext; p != nil {
		id = identity{p.RunAsUser, p.RunAsGroup}
	}
	if s := c.SecurityContext; s != nil {
		id = identity{firstSet(s.RunAsUser, id.uid), firstSet(s.RunAsGroup, id.gid)}
	}
	if asked.user != nil {
		id = identity{&asked.user.uid, firstSet(asked.user.gid, id.gid)}
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

// commonUser says whether all containers have one user and group that are known
// and not root's.
func commonUser(pod *corev1.Pod, containers []*corev1.Container, asked *annotations) bool {
	first := identityOf(pod, containers[0], asked)
	return first.uid != nil && !first.isRoot() && !slices.ContainsFunc(containers, func(c *corev1.Container) bool {
		return !sameIdentity(first, identityOf(pod, c, asked))
	})
}

func sameIdentity(a, b identity) bool {
	return a.uid != nil && b.uid != nil && *a.uid == *b.uid && a.group() == b.group()
}

// groupIsZero is so where OpenShift chose the user: no image lists it.
func groupIsZero(pod *corev1.Pod) bool {
	return strings.HasPrefix(pod.Annotations["openshift.io/scc"], "restricted")
}

// rootUnwelcome refuses a root sidecar where the namespace would refuse the pod
// with it, and where nothing in the pod is root: any policy that checks this
// would refuse the pod because of us.
func rootUnwelcome(pod *corev1.Pod, ns *Namespace, containers []*corev1.Container, asked *annotations, cfg Config) Finding {
	detail := describeIdentities(pod, containers, asked)
	if ns != nil && ns.Labels[psaapi.EnforceLevelLabel] == string(psaapi.LevelRestricted) {
		return finding(RestrictedUIDUnknown, detail)
	}
	if cfg.RootInNonRootPods {
		return Finding{}
	}
	if declaresNonRoot(pod, containers) || noneIsRoot(pod, containers, asked) || meetsRestricted(pod) {
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

func noneIsRoot(pod *corev1.Pod, containers []*corev1.Container, asked *annotations) bool {
	return !slices.ContainsFunc(containers, func(c *corev1.Container) bool {
		id := identityOf(pod, c, asked)
		return id.uid == nil || id.isRoot()
	})
}

func declaresNonRoot(pod *corev1.Pod, containers []*corev1.Container) bool {
	return !slices.ContainsFunc(containers, func(c *corev1.Container) bool { return !isNonRoot(pod, c) })
}

// isNonRoot says whether kubelet refuses to start the container as root.
func isNonRoot(pod *corev1.Pod, c *corev1.Container) bool {
	var declared *bool
	if pod.Spec.SecurityContext != nil {
		declared = pod.Spec.SecurityContext.RunAsNonRoot
	}
	if c.SecurityContext != nil {
		declared = firstSet(c.SecurityContext.RunAsNonRoot, declared)
	}
	return declared != nil && *declared
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

// withoutSidecar is the pod before we came, as far as its resources and
// containers go.
func withoutSidecar(pod *corev1.Pod) *corev1.Pod {
	isSidecar := func(c corev1.Container) bool { return c.Name == sidecarName }
	bare := *pod
	if HasSidecar(pod) {
		status, _ := StatusOf(pod)
		bare.Spec.Resources = changed(pod.Spec.Resources, status.Raised, (*resource.Quantity).Sub)
	}
	bare.Spec.InitContainers = slices.DeleteFunc(slices.Clone(pod.Spec.InitContainers), isSidecar)
	bare.Spec.Containers = slices.DeleteFunc(slices.Clone(pod.Spec.Containers), isSidecar)
	bare.Spec.Resources = defaulted(&bare)
	return &bare
}

// rootRow is the least that reaches every container. A JVM of another user
// takes SETUID and SETGID; one that may be root takes all that it may have.
func rootRow(pod *corev1.Pod, containers []*corev1.Container, asked *annotations, cfg Config) security {
	switches, usual, ptrace := false, false, false
	var added []corev1.Capability
	for _, c := range containers {
		id, caps := identityOf(pod, c, asked), capabilitiesOf(c)
		maybeRoot := id.isRoot() || id.uid == nil && !isNonRoot(pod, c)
		switches = switches || !id.isRoot() || id.group() != identityOf(pod, containers[0], asked).group()
		switch {
		case !maybeRoot:
		case caps == extraCapabilities && cfg.AllowSysPtrace:
			ptrace = true
		case caps == extraCapabilities:
			asked.warn(CapabilitiesUncertain, "container "+c.Name)
			usual = true
		case caps == usualCapabilities:
			usual = true
		case caps == someCapabilities:
			added = append(added, c.SecurityContext.Capabilities.Add...)
		}
	}
	switch {
	case ptrace:
		return security{row: RootPtrace}
	case usual:
		return security{row: Root}
	case switches || len(added) > 0:
		return security{row: RootSwitch, add: capabilitySet(append(added, "SETUID", "SETGID"))}
	}
	return security{row: RootNoCapabilities, gid: identityOf(pod, containers[0], asked).group()}
}

// capabilitySet is sorted, so that the same pod gets the same sidecar.
func capabilitySet(names []corev1.Capability) []corev1.Capability {
	var set []corev1.Capability
	for _, name := range names {
		set = append(set, plainName(name))
	}
	slices.Sort(set)
	return slices.Compact(set)
}

// capabilities is what a root process of a container would have.
type capabilities int

const (
	noCapabilities    capabilities = iota
	someCapabilities               // those that it adds, after it dropped all
	usualCapabilities              // the runtime's default, or less
	extraCapabilities              // more than the default
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
	switch {
	case !slices.ContainsFunc(s.Capabilities.Drop, func(d corev1.Capability) bool { return plainName(d) == "ALL" }):
		return usualCapabilities
	case len(s.Capabilities.Add) > 0:
		return someCapabilities
	}
	return noCapabilities
}

func plainName(c corev1.Capability) corev1.Capability {
	return corev1.Capability(strings.TrimPrefix(strings.ToUpper(string(c)), "CAP_"))
}
