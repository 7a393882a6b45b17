package profile

import "github.com/podflame/podflame/reason"

// Reason is the code of one cause of loss, rejection, skip or state. Package
// reason has the words for it; a constant here has a row there.
type Reason = reason.Code

// ReasonText says a reason in words.
type ReasonText = reason.Text

// Explain returns the words of a reason.
func Explain(r Reason) ReasonText { return reason.Explain(r) }

// Why a target is not profiled, or not now.
const (
	OpenJ9              Reason = "openj9"
	NativeImage         Reason = "native_image"
	NotSelected         Reason = "not_selected"
	NoJVM               Reason = "no_jvm"
	JVMStarting         Reason = "jvm_starting"
	SignalsReduced      Reason = "signals_reduced"
	AttachDisabled      Reason = "attach_disabled"
	AttachTimeout       Reason = "attach_timeout"
	AttachRefused       Reason = "attach_refused"
	AccessDenied        Reason = "access_denied"
	TmpNotWritable      Reason = "tmp_not_writable"
	LibraryNotLoaded    Reason = "library_not_loaded"
	NoJVMSigns          Reason = "no_jvm_signs"
	LauncherNotJava     Reason = "launcher_not_java"
	OptionsUnreadable   Reason = "options_unreadable"
	SignalUnanswered    Reason = "signal_unanswered"
	SocketMissing       Reason = "attach_socket_missing"
	JVMStopped          Reason = "jvm_stopped"
	TmpMissing          Reason = "jvm_tmp_missing"
	TmpReadOnly         Reason = "jvm_tmp_read_only"
	TmpFull             Reason = "jvm_tmp_full"
	CapabilitiesMissing Reason = "capabilities_missing"
	NotDumpable         Reason = "jvm_not_dumpable"
	DependencyMissing   Reason = "library_dependency_missing"
	ProfilerError       Reason = "profiler_error"
	Conflict            Reason = "conflict"
	UnknownProfiler     Reason = "unknown_profiler"
	JVMExited           Reason = "jvm_exited"
	CrashedAfterAttach  Reason = "jvm_crashed_after_attach"
	TooManyTargets      Reason = "too_many_targets"
	SessionEnded        Reason = "session_ended"
	SidecarRestarted    Reason = "sidecar_restarted"
	Paused              Reason = "paused"
	AnnotationRefused   Reason = "annotation_refused"
	SharedDirNotUsable  Reason = "shared_dir_not_usable"
	RecordingTooLarge   Reason = "recording_too_large"
	SidecarError        Reason = "sidecar_error"
	NoReport            Reason = "no_report"
	WindowNotYetArrived Reason = "window_not_yet_arrived"
)

// Why samples or time were lost.
const (
	RecordingUnreadable  Reason = "recording_unreadable"
	RecordingMissing     Reason = "recording_missing"
	ChunkUnfinished      Reason = "chunk_unfinished"
	DecodeTimeout        Reason = "decode_timeout"
	DecodeMemory         Reason = "decode_memory"
	EventsTruncated      Reason = "events_truncated"
	StackMissing         Reason = "stack_missing"
	StackLimit           Reason = "stack_limit"
	DepthLimit           Reason = "depth_limit"
	NameLimit            Reason = "name_limit"
	FunctionLimit        Reason = "function_limit"
	ThreadLimit          Reason = "thread_limit"
	ProfilerSkipped      Reason = "profiler_skipped"
	ProfilerStall        Reason = "profiler_stall"
	StorageOverflow      Reason = "storage_overflow"
	IntervalUnknown      Reason = "interval_unknown"
	TickUnknown          Reason = "tick_unknown"
	EventNotCPU          Reason = "event_not_cpu"
	KernelCPUDiffers     Reason = "kernel_cpu_differs"
	BurstsUndersampled   Reason = "bursts_undersampled"
	SamplingAdapted      Reason = "sampling_adapted"
	SamplingBounded      Reason = "sampling_bounded"
	AllocSharesEstimated Reason = "alloc_shares_estimated"
	VirtualThreadLocks   Reason = "virtual_thread_locks_unrecorded"
	LiveUndecided        Reason = "live_undecided"
	LiveTableFull        Reason = "live_table_full"
	SpoolFull            Reason = "spool_full"
	SpoolExpired         Reason = "spool_expired"
	SpoolUnreadable      Reason = "spool_unreadable"
	StoreFull            Reason = "store_full"
	WindowTooLarge       Reason = "window_too_large"
	TypeUnknown          Reason = "type_unknown"
	UnknownReason        Reason = "unknown_reason"
)

// Who may write, who may read: why credentials are not enough.
const (
	TokenMalformed    Reason = "token_malformed"
	TokenExpired      Reason = "token_expired"
	TokenAudience     Reason = "token_audience"
	TokenRefused      Reason = "token_refused"
	TokenUnbound      Reason = "token_unbound"
	NotOwnPod         Reason = "not_own_pod"
	ReviewUnavailable Reason = "review_unavailable"
	TooManyRefusals   Reason = "too_many_refusals"
	HostNotAllowed    Reason = "host_not_allowed"
	OriginNotAllowed  Reason = "origin_not_allowed"
	ProxyNotTrusted   Reason = "proxy_not_trusted"
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
	IDTaken           Reason = "id_taken"
	IDConflict        Reason = "id_conflict"
	Overloaded        Reason = "overloaded"
	SourceLimit       Reason = "source_limit"
	StoreQueueFull    Reason = "store_queue_full"
	StoreUnavailable  Reason = "store_unavailable"
	StoreRejected     Reason = "store_rejected"
	Unauthenticated   Reason = "unauthenticated"
	Forbidden         Reason = "forbidden"
	BackendUnreached  Reason = "backend_unreachable"
	BadParameter      Reason = "bad_parameter"
	UnknownService    Reason = "unknown_service"
	QueryTooExpensive Reason = "query_too_expensive"
	SumTooLarge       Reason = "sum_too_large"
	SumsDiffer        Reason = "sums_differ"
	StacksCut         Reason = "stacks_cut"
	TargetsUncounted  Reason = "targets_uncounted"
	NotFound          Reason = "not_found"
	NotRecorded       Reason = "not_recorded"
	NoTarget          Reason = "no_target"
	NoSuchThreads     Reason = "no_such_threads"
	BeforeRetention   Reason = "before_retention"
	Internal          Reason = "internal"
)
