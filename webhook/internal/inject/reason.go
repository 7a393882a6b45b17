package inject

import "slices"

// Reason is the code of one cause. The same constant is the label of a metric,
// the attribute of a log line, a field of the status annotation and the reason
// of an Event, so that one search finds them all.
type Reason string

// Outcomes of a decision: each request ends in exactly one.
const (
	Injected                   Reason = "injected"
	AlreadyInjected            Reason = "already_injected"
	NotRequested               Reason = "not_requested"
	OptedOut                   Reason = "opted_out"
	InvalidEnabled             Reason = "invalid_enabled_value"
	ExcludedNamespace          Reason = "excluded_namespace"
	MirrorPod                  Reason = "mirror_pod"
	Windows                    Reason = "windows"
	HostPID                    Reason = "host_pid"
	ShareProcessNamespaceFalse Reason = "share_process_namespace_false"
	JobWithoutNativeSidecar    Reason = "job_without_native_sidecar"
	NameCollision              Reason = "name_collision"
	UnknownContainer           Reason = "unknown_container"
	NoContainer                Reason = "no_container"
	RestrictedUIDUnknown       Reason = "restricted_uid_unknown"
	NonRootUIDUnknown          Reason = "non_root_uid_unknown"
	CapabilitiesExceed         Reason = "capabilities_exceed"
	MountPathReadOnly          Reason = "mount_path_read_only"
	TmpReadOnly                Reason = "tmp_read_only"
	AnnotationsFull            Reason = "annotations_full"
)

// Outcomes that this package never returns itself: the admission layer and the
// audit use them, under the same metric and the same status.
const (
	InternalError   Reason = "internal_error"
	DecisionTimeout Reason = "decision_timeout"
	BadRequest      Reason = "bad_request"
	MissedByWebhook Reason = "missed_by_webhook"
)

// Warnings: the pod is handled, but not quite as it was asked for.
const (
	InvalidAnnotation     Reason = "invalid_annotation"
	UnknownAnnotation     Reason = "unknown_annotation"
	AboveMaximum          Reason = "above_maximum"
	NativeUnsupported     Reason = "native_sidecar_unsupported"
	CapabilitiesUncertain Reason = "capabilities_uncertain"
	ContainerLeftOut      Reason = "container_left_out"
	MissingContainer      Reason = "missing_container"
	AnnotationOnWorkload  Reason = "annotation_on_workload"
)

// Outcomes are the reasons a decision can end in, in the order of the table.
func Outcomes() []Reason { return codesOf(outcomeTexts) }

// WarningReasons are the reasons that accompany a decision.
func WarningReasons() []Reason { return codesOf(warningTexts) }

// AllReasons are all codes: outcomes first, then warnings.
func AllReasons() []Reason { return slices.Concat(Outcomes(), WarningReasons()) }

// Text is one sentence that says what is the matter.
func (r Reason) Text() string { return r.entry().text }

// Remedy says what to do about it; empty where nothing needs doing.
func (r Reason) Remedy() string { return r.entry().remedy }

func (r Reason) entry() reasonText {
	for _, table := range [][]reasonText{outcomeTexts, warningTexts} {
		for _, t := range table {
			if t.code == r {
				return t
			}
		}
	}
	return reasonText{text: "Reason " + string(r) + " is not known to this version."}
}

func codesOf(table []reasonText) []Reason {
	codes := make([]Reason, len(table))
	for i, t := range table {
		codes[i] = t.code
	}
	return codes
}

type reasonText struct {
	code   Reason
	text   string
	remedy string
}

var outcomeTexts = []reasonText{
	{Injected, "The profiling sidecar is in the pod; its containers now share one process namespace.", ""},
	{AlreadyInjected, "The pod already has the profiling sidecar, exactly as it should be.", ""},
	{NotRequested, "Neither the pod nor its namespace asks for profiling.",
		"Annotate the pod template with profiling.io/enabled: \"true\", or label the namespace so."},
	{OptedOut, "The pod or its namespace says profiling.io/enabled: \"false\".",
		"Set it to \"true\" on the pod template to profile this workload."},
	{InvalidEnabled, "profiling.io/enabled is neither \"true\" nor \"false\", so the pod is left alone.",
		"Write \"true\" or \"false\", in lower case and in quotes."},
	{ExcludedNamespace, "Pods of this namespace are never changed.",
		"Run the workload in a namespace of its own."},
	{MirrorPod, "The pod mirrors a static pod of a node; changing the mirror would not change the pod.",
		"Add the sidecar to the static pod's manifest with: webhook inject -f FILE."},
	{Windows, "The pod runs on Windows, where the profiler does not exist.",
		"Remove profiling.io/enabled from this workload."},
	{HostPID, "The pod uses hostPID, so a sidecar would see every process of the node.",
		"Remove hostPID from the pod template."},
	{ShareProcessNamespaceFalse, "The pod says shareProcessNamespace: false, and the sidecar must see the JVM's process.",
		"Remove shareProcessNamespace from the pod template, or set it to true."},
	{JobWithoutNativeSidecar, "The pod runs to completion, and without native sidecars an added container would keep it from completing.",
		"Use Kubernetes 1.29 or later, or leave this workload without profiling."},
	{NameCollision, "The pod already uses a name or a mount path that the sidecar needs, for something else.",
		"Rename the container, volume, mount or variable named in the detail."},
	{UnknownContainer, "profiling.io/containers names no container of the pod.",
		"Correct the names, or remove the annotation to profile every container."},
	{NoContainer, "The pod has no container that can be profiled.",
		"Name one with profiling.io/containers; the detail says why each was left out."},
	{RestrictedUIDUnknown, "The namespace enforces Pod Security level restricted, and one user and group for all profiled containers is not known, so the sidecar would have to be root.",
		"Set runAsUser and runAsGroup in the pod's securityContext, or annotate profiling.io/run-as-user: \"UID:GID\" with those of the JVM; if users differ, choose containers with profiling.io/containers."},
	{NonRootUIDUnknown, "The pod declares that nothing in it is root, and one user and group for all profiled containers is not known, so the sidecar would have to be root.",
		"Set runAsUser and runAsGroup in the pod's securityContext, or annotate profiling.io/run-as-user: \"UID:GID\" with those of the JVM; if users differ, choose containers with profiling.io/containers."},
	{CapabilitiesExceed, "The JVM runs as root with more capabilities than a sidecar gets, so the kernel would refuse the attach.",
		"Drop privileged and added capabilities, run the JVM as another user, or start the webhook with --allow-sys-ptrace."},
	{MountPathReadOnly, "A read-only volume covers the place where the recordings' volume must be mounted.",
		"Mount that volume elsewhere, or make it writable."},
	{TmpReadOnly, "The container's /tmp is a read-only mount, and HotSpot attaches through /tmp only.",
		"Mount a writable volume on /tmp, such as an emptyDir."},
	{AnnotationsFull, "The pod's annotations are so large that the status annotation does not fit.",
		"Shorten the annotations: Kubernetes allows 262144 bytes in all."},
	{InternalError, "The webhook met an error of its own and admitted the pod unchanged.",
		"See the webhook's log at the time the pod was created, then recreate the pod."},
	{DecisionTimeout, "The webhook did not decide in time and admitted the pod unchanged.",
		"Give the webhook more CPU, then recreate the pod."},
	{BadRequest, "The request was not the creation of a pod that the webhook can read; it was admitted unchanged.",
		"See the webhook's log; a manifest can be tried with: webhook inject -f FILE."},
	{MissedByWebhook, "The pod asks for profiling but was created while the webhook did not answer, or before it was installed.",
		"Recreate the pod: kubectl rollout restart of its workload."},
}

var warningTexts = []reasonText{
	{InvalidAnnotation, "An annotation has a value that is not valid, so the default is used.",
		"Correct the value named in the detail."},
	{UnknownAnnotation, "An annotation begins with profiling.io/ but is not one that is known, so it has no effect.",
		"Correct its spelling or remove it."},
	{AboveMaximum, "A resource asked for is above what this cluster allows for the sidecar, so the maximum is used.",
		"Ask for less, or have the webhook's maximum raised."},
	{NativeUnsupported, "This cluster has no native sidecars, so the sidecar is an ordinary container.",
		"Remove profiling.io/native-sidecar, or use Kubernetes 1.29 or later."},
	{CapabilitiesUncertain, "A profiled container has more capabilities than the sidecar; if its JVM runs as root, the kernel will refuse the attach.",
		"Annotate profiling.io/run-as-user: \"UID:GID\" with those of the JVM."},
	{ContainerLeftOut, "A container is not profiled.",
		"The detail says why."},
	{MissingContainer, "profiling.io/containers names a container that the pod does not have.",
		"Correct the name; the other containers are profiled."},
	{AnnotationOnWorkload, "The annotation is on the workload, where it has no effect.",
		"Move it to spec.template.metadata.annotations."},
}
