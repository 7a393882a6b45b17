package profile

import "slices"

// Reason is the code of one cause of loss, rejection, skip or state. The same
// code is the log attribute, the metric label, the API field and the key of the
// text in the UI. Injection has its own list, in webhook/internal/inject.
type Reason string

// Why a target is not profiled, or not now.
const (
	OpenJ9              Reason = "openj9"
	NativeImage         Reason = "native_image"
	NotSelected         Reason = "not_selected"
	JVMStarting         Reason = "jvm_starting"
	SignalsReduced      Reason = "signals_reduced"
	AttachDisabled      Reason = "attach_disabled"
	AttachTimeout       Reason = "attach_timeout"
	AttachRefused       Reason = "attach_refused"
	AccessDenied        Reason = "access_denied"
	TmpNotWritable      Reason = "tmp_not_writable"
	LibraryNotLoaded    Reason = "library_not_loaded"
	ProfilerError       Reason = "profiler_error"
	Conflict            Reason = "conflict"
	UnknownProfiler     Reason = "unknown_profiler"
	JVMExited           Reason = "jvm_exited"
	CrashedAfterAttach  Reason = "jvm_crashed_after_attach"
	TooManyTargets      Reason = "too_many_targets"
	SessionEnded        Reason = "session_ended"
	SidecarRestarted    Reason = "sidecar_restarted"
	SharedDirNotUsable  Reason = "shared_dir_not_usable"
	NoReport            Reason = "no_report"
	WindowNotYetArrived Reason = "window_not_yet_arrived"
)

// Why samples or time were lost.
const (
	RecordingUnreadable Reason = "recording_unreadable"
	RecordingMissing    Reason = "recording_missing"
	ChunkUnfinished     Reason = "chunk_unfinished"
	DecodeTimeout       Reason = "decode_timeout"
	DecodeMemory        Reason = "decode_memory"
	EventsTruncated     Reason = "events_truncated"
	StackMissing        Reason = "stack_missing"
	StackLimit          Reason = "stack_limit"
	DepthLimit          Reason = "depth_limit"
	NameLimit           Reason = "name_limit"
	FunctionLimit       Reason = "function_limit"
	ProfilerSkipped     Reason = "profiler_skipped"
	ProfilerStall       Reason = "profiler_stall"
	StorageOverflow     Reason = "storage_overflow"
	SpoolFull           Reason = "spool_full"
	SpoolExpired        Reason = "spool_expired"
	SpoolUnreadable     Reason = "spool_unreadable"
	WindowTooLarge      Reason = "window_too_large"
)

// Why the backend did not take an upload, or a query.
const (
	Malformed         Reason = "malformed"
	UnsupportedFormat Reason = "unsupported_format"
	BodyTooLarge      Reason = "body_too_large"
	DecodedTooLarge   Reason = "decoded_too_large"
	LimitExceeded     Reason = "limit_exceeded"
	LedgerMismatch    Reason = "ledger_mismatch"
	OutsideRetention  Reason = "outside_retention"
	InFuture          Reason = "in_future"
	Overloaded        Reason = "overloaded"
	StoreUnavailable  Reason = "store_unavailable"
	StoreRejected     Reason = "store_rejected"
	Unauthenticated   Reason = "unauthenticated"
	Forbidden         Reason = "forbidden"
	BackendUnreached  Reason = "backend_unreachable"
	BadParameter      Reason = "bad_parameter"
	UnknownService    Reason = "unknown_service"
	QueryTooExpensive Reason = "query_too_expensive"
	NotFound          Reason = "not_found"
	NotRecorded       Reason = "not_recorded"
	NoTarget          Reason = "no_target"
	BeforeRetention   Reason = "before_retention"
	Internal          Reason = "internal"
)

// Routine reports whether a loss for this reason belongs to ordinary running: a
// JVM starts, a JVM ends, the profiler skips a sample or pauses to finish a
// chunk. Such losses are counted and shown like any other, but are no cause for
// alarm by themselves.
func (r Reason) Routine() bool {
	switch r {
	case JVMStarting, JVMExited, ProfilerSkipped, ProfilerStall, WindowNotYetArrived:
		return true
	}
	return false
}

// ReasonText explains a reason to a user.
type ReasonText struct {
	Reason Reason `json:"reason"`
	Text   string `json:"text"`   // what happened, one sentence without a full stop
	Remedy string `json:"remedy"` // what to do about it; empty if nothing is needed
}

// Explain returns the text of a reason. A code that this version does not know
// (it may come from a newer sidecar) explains itself as such.
func Explain(r Reason) ReasonText {
	table := ReasonTexts()
	if i := slices.IndexFunc(table, func(t ReasonText) bool { return t.Reason == r }); i >= 0 {
		return table[i]
	}
	return ReasonText{Reason: r, Text: "Reason " + string(r) + ", which this version does not know", Remedy: "Update the backend"}
}

// ReasonTexts returns the text of every reason, in the order above.
func ReasonTexts() []ReasonText {
	return []ReasonText{
		{OpenJ9, "The JVM is Eclipse OpenJ9", "Run the service on a HotSpot JVM to profile it"},
		{NativeImage, "The process is a GraalVM native image", "Run the service on a HotSpot JVM to profile it"},
		{NotSelected, "The container is not among those to profile", "Name it in the annotation profiling.io/containers"},
		{JVMStarting, "The JVM is still starting", ""},
		{SignalsReduced, "The JVM runs with -Xrs and has no attach socket, so a signal would kill it", "Remove -Xrs, or start the JVM with -XX:+StartAttachListener"},
		{AttachDisabled, "The JVM runs with -XX:+DisableAttachMechanism", "Remove -XX:+DisableAttachMechanism"},
		{AttachTimeout, "The JVM did not answer the attach request in time", "Look whether the JVM is paused, starved of CPU or in a long garbage collection; it is tried again"},
		{AttachRefused, "The JVM refused the attach connection", "The sidecar needs the JVM's uid and gid: set runAsUser and runAsGroup, or the annotation profiling.io/run-as-user"},
		{AccessDenied, "The sidecar may not look into the JVM's process", "The sidecar needs the JVM's uid and gid: set runAsUser and runAsGroup, or the annotation profiling.io/run-as-user"},
		{TmpNotWritable, "The JVM cannot write to /tmp, where its attach socket lives", "Mount a writable emptyDir at /tmp"},
		{LibraryNotLoaded, "The JVM could not load the profiler library", "Look at the detail: noexec mount, missing permission, or -XX:-EnableDynamicAgentLoading"},
		{ProfilerError, "The profiler answered with an error", "Look at the detail"},
		{Conflict, "Another profiler is active in this JVM", "Stop the other profiler; Podflame starts by itself when it is gone"},
		{UnknownProfiler, "Another profiler's library is loaded and its state cannot be told", "Restart the JVM without the other profiler"},
		{JVMExited, "The JVM has exited", ""},
		{CrashedAfterAttach, "The JVM died shortly after a profiler command, so it is left alone", "Send us its hs_err file; run the sidecar with --retry-crashed to try again"},
		{TooManyTargets, "More JVMs than one sidecar profiles", "Raise --max-targets, or name containers in profiling.io/containers"},
		{SessionEnded, "The profiler session ended unexpectedly", "A new session is started"},
		{SidecarRestarted, "The sidecar was restarted", ""},
		{SharedDirNotUsable, "The shared directory cannot be used by sidecar and JVM", "It must be writable by the JVM's user and allow execution"},
		{NoReport, "The sidecar has not reported for several windows", "Look at the sidecar's log and at the network between it and the backend"},
		{WindowNotYetArrived, "The window has not arrived yet", ""},

		{RecordingUnreadable, "A recording could not be read", "Keep the file (--keep-unreadable) and send it to us"},
		{RecordingMissing, "The recording has disappeared", "Something removes files from the shared directory"},
		{ChunkUnfinished, "The last chunk of a recording was not finished when its JVM died", "A shorter window loses less"},
		{DecodeTimeout, "Reading a recording took longer than allowed", "Raise --decode-timeout or profile less"},
		{DecodeMemory, "Reading a recording needed more memory than allowed", "Raise --decode-memory or profile less"},
		{EventsTruncated, "A window had more events than are read", "Raise --max-events, or sample less often"},
		{StackMissing, "The recording has a sample without its stack", ""},
		{StackLimit, "A window had more distinct stacks than are kept; the heaviest were kept", "Raise --max-stacks"},
		{DepthLimit, "Stacks were deeper than are kept; the frames nearest the root were cut", "Raise --max-depth"},
		{NameLimit, "Function names were longer than are kept", "Raise --max-name"},
		{FunctionLimit, "A window had more distinct functions than are kept", "Raise --max-functions"},
		{ProfilerSkipped, "The profiler skipped samples because it was busy", ""},
		{ProfilerStall, "The profiler stalled while it finished a chunk", ""},
		{StorageOverflow, "The profiler's own memory for stacks was full, so samples have no stack", "Raise --profiler-memory"},
		{SpoolFull, "The sidecar's disk queue was full, the oldest windows were dropped", "Look why uploads fail, or raise --spool-bytes"},
		{SpoolExpired, "Windows waited longer for upload than they are kept", "Look why uploads fail, or raise --spool-age"},
		{SpoolUnreadable, "A window in the sidecar's disk queue could not be read back", ""},
		{WindowTooLarge, "A window was larger than one upload may be", "Lower --max-stacks"},

		{Malformed, "The upload is no window", "Send what this version's sidecar sends"},
		{UnsupportedFormat, "The upload has a format version that this backend does not know", "Update the backend"},
		{BodyTooLarge, "The upload is larger than allowed", "Raise --max-body on the backend, or lower --max-stacks on the sidecar"},
		{DecodedTooLarge, "The upload decompresses to more than allowed", "Raise --max-decoded on the backend, or lower --max-stacks on the sidecar"},
		{LimitExceeded, "The upload exceeds a limit", "See the limit named in the message"},
		{LedgerMismatch, "The ledger of the upload does not add up", "Report it: this is an error in the sidecar"},
		{OutsideRetention, "The window is older than data is kept", "Check the clock of the node"},
		{InFuture, "The window lies in the future", "Check the clock of the node"},
		{Overloaded, "The backend has as much work as it accepts at a time", "It is tried again by itself"},
		{StoreUnavailable, "ClickHouse cannot be reached or written to; windows wait in the sidecars", "Look at ClickHouse; nothing is lost until the sidecars' spools are full"},
		{StoreRejected, "ClickHouse refused the window for good", "Look at the backend's log"},
		{Unauthenticated, "The request has no valid credentials", "Check the token"},
		{Forbidden, "The credentials do not allow this", "Check the permissions of the token"},
		{BackendUnreached, "The sidecar cannot reach the backend; windows wait in the spool", "Look at the network and at the backend"},
		{BadParameter, "A parameter of the request is not valid", "See the message"},
		{UnknownService, "No such service has data in this range", "Look at the list of services, or widen the range"},
		{QueryTooExpensive, "The query needs more than a query may use", "Narrow the time range or choose one target"},
		{NotFound, "There is no such page", ""},
		{NotRecorded, "The targets of the service do not record this type", "Name the type in the annotation profiling.io/events"},
		{NoTarget, "No JVM of the service was known in this range", "Widen the range, or look at the targets"},
		{BeforeRetention, "The range lies before the oldest data that is kept", "Choose a later range, or raise --retention-days on the backend"},
		{Internal, "The backend failed", "Look at the backend's log"},
	}
}
