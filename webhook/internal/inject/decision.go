package inject

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/podflame/podflame/reason"
	"github.com/podflame/podflame/sidecar/contract"
)

// Decision is what Decide found out about one pod. Same input, same Decision.
type Decision struct {
	Inject   bool
	Reasons  []Finding // never empty; the first is the outcome
	Warnings []Finding // never more than maxWarnings
	Plan     Plan      // what Apply does; the zero value unless Inject
}

// Finding is a reason and what it is about: the container, the value, the path.
type Finding struct {
	Reason Reason `json:"reason"`
	Detail string `json:"detail,omitempty"` // at most maxDetail bytes, printable
}

// Plan is how a pod will be profiled.
type Plan struct {
	Containers []string // profiled, in the order of the pod; each has a volume of recordings
	LeftOut    []string // that would be profiled if they could; each has a warning
	TmpFor     []string // those of them that get a writable /tmp
	Service    string
	Version    string // may be empty
	Settings   contract.Settings
	Security   Security
	UID, GID   int64                   // of the sidecar
	Add        []corev1.Capability     // of a sidecar of row RootSwitch, sorted
	AppArmor   *corev1.AppArmorProfile // of the profiled containers; nil: the pod's
	SELinux    *corev1.SELinuxOptions  // likewise
	Native     bool                    // an init container with restartPolicy Always, else a container
	// MetricsPort is the TCP port of the sidecar's metrics; 0 opens none.
	MetricsPort int32
	// SignalLaunchers allows a signal to JVMs of other launchers than java.
	SignalLaunchers bool
	Resources       corev1.ResourceRequirements
	Raised          *corev1.ResourceRequirements // what the pod as a whole gets more; nil if it has no such resources
	// MeshAnnotations are lists of ports that a mesh leaves alone, to which the
	// backend's is added.
	MeshAnnotations []string
	MemLimit        int64 // bytes: GOMEMLIMIT of the sidecar
}

// Security is the row of the decision table that a sidecar's securityContext
// follows.
type Security string

// The rows; see the package comment.
const (
	SameUser           Security = "same_user"            // uid and gid known and not 0: nothing but them
	Root               Security = "root"                 // root with the runtime's default capabilities
	RootSwitch         Security = "root_switch"          // root with SETUID, SETGID and what a root JVM has
	RootNoCapabilities Security = "root_no_capabilities" // root JVM without capabilities
	RootPtrace         Security = "root_ptrace"          // root with SYS_PTRACE; only if Config.AllowSysPtrace
)

// Reason is the outcome: the label of metrics and the reason of the Event.
func (d Decision) Reason() Reason { return d.Reasons[0].Reason }

// Asked tells whether somebody wanted this pod profiled; if not, Apply leaves it
// untouched and nobody need be told.
func (d Decision) Asked() bool {
	return !slices.Contains([]Reason{NotRequested, OptedOut, ExcludedNamespace, MirrorPod}, d.Reason())
}

// Messages are the sentences for a person: warnings, preceded by the outcome if
// a pod that asked is not injected.
func (d Decision) Messages() []string {
	var messages []string
	if d.Asked() && !d.Inject && d.Reason() != AlreadyInjected {
		for _, f := range d.Reasons {
			messages = append(messages, f.String())
		}
	}
	for _, f := range d.Warnings {
		messages = append(messages, f.String())
	}
	return messages
}

// String is the sentence, the detail and the remedy.
func (f Finding) String() string {
	return "podflame: " + reason.Say(f.Reason, f.Detail) + " [" + string(f.Reason) + "]"
}

const (
	maxWarnings = 16
	maxDetail   = 200
)

func finding(code Reason, detail string) Finding {
	return Finding{Reason: code, Detail: printable(detail, maxDetail)}
}

func skip(code Reason, detail string, warnings ...Finding) Decision {
	return Decision{Reasons: []Finding{finding(code, detail)}, Warnings: bounded(warnings)}
}

func bounded(warnings []Finding) []Finding {
	return warnings[:min(len(warnings), maxWarnings)]
}

// printable cuts s to limit bytes and replaces what a terminal or an HTTP header
// would not print: details quote values that the user wrote.
func printable(s string, limit int) string {
	s = strings.ReplaceAll(s, "µ", "u")
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	if len(s) > limit {
		return s[:limit-3] + "..."
	}
	return s
}
