package inject

import "github.com/podflame/podflame/reason"

// Reason is the code of one cause. Package reason has the words for it; a
// constant here has a row there.
type Reason = reason.Code

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
	ArchitectureUnsupported    Reason = "architecture_unsupported"
	NeedsPID1                  Reason = "needs_pid_one"
	ShareProcessNamespaceFalse Reason = "share_process_namespace_false"
	JobWithoutNativeSidecar    Reason = "job_without_native_sidecar"
	NameCollision              Reason = "name_collision"
	UnknownContainer           Reason = "unknown_container"
	NoContainer                Reason = "no_container"
	RestrictedUIDUnknown       Reason = "restricted_uid_unknown"
	NonRootUIDUnknown          Reason = "non_root_uid_unknown"
	CapabilitiesExceed         Reason = "capabilities_exceed"
	LimitRangeExceeded         Reason = "limit_range_exceeded"
	QuotaExceeded              Reason = "quota_exceeded"
	ImageUnpullable            Reason = "image_unpullable"
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
	MeshCaptures          Reason = "mesh_captures_upload"
	ResourcesFitted       Reason = "resources_fitted"
	GroupAssumed          Reason = "group_assumed"
	ConfinementDiffers    Reason = "confinement_differs"
	SandboxedRuntime      Reason = "sandboxed_runtime"
	ContainerLeftOut      Reason = "container_left_out"
	MissingContainer      Reason = "missing_container"
	AnnotationOnWorkload  Reason = "annotation_on_workload"
	AnnotationOnNamespace Reason = "annotation_on_namespace"
)

// What the audit sees of sidecars that are there.
const (
	EgressDenied    Reason = "egress_denied"
	SidecarOutdated Reason = "sidecar_outdated"
)

// Outcomes are the reasons a decision can end in, in the order of the table.
func Outcomes() []Reason { return codesOf(reason.Outcomes()) }

// WarningReasons are the reasons that accompany a decision.
func WarningReasons() []Reason { return codesOf(reason.Warnings()) }

func codesOf(table []reason.Text) []Reason {
	codes := make([]Reason, len(table))
	for i, t := range table {
		codes[i] = t.Reason
	}
	return codes
}
