// Package contract holds what the webhook and the sidecar must agree on: the
// annotations a user may set, the environment the webhook gives to containers,
// and the volumes and files both sides use. It depends on the standard library
// only, and nothing in it acts: a name that changes here changes in both
// programs at once.
package contract

// Annotations (and the one label) a user may set on a pod. Enabled is read
// from a namespace's labels too.
const (
	Enabled       = "profiling.io/enabled"        // "true" or "false"
	Containers    = "profiling.io/containers"     // comma-separated container names; default: all
	Service       = "profiling.io/service"        // service name
	Version       = "profiling.io/version"        // service version
	Events        = "profiling.io/events"         // comma-separated out of cpu, alloc, lock, wall, live, nativemem, nativelock
	Window        = "profiling.io/window"         // Go duration, MinWindow to MaxWindow
	CPUInterval   = "profiling.io/cpu-interval"   // Go duration
	AllocInterval = "profiling.io/alloc-interval" // bytes, suffix k or m allowed
	LockThreshold = "profiling.io/lock-threshold" // Go duration
	SampleRate    = "profiling.io/sample-rate"    // samples a second of each type, which intervals that are not asked for are lengthened to; 0: never
	Threads       = "profiling.io/threads"        // "true" or "false": whether samples keep the name of their thread group
	RunAsUser     = "profiling.io/run-as-user"    // "uid" or "uid:gid" of the JVM, when only its image knows; without gid the securityContext's, or 0
	CPURequest    = "profiling.io/cpu-request"    // Kubernetes quantity
	CPULimit      = "profiling.io/cpu-limit"      // Kubernetes quantity
	MemoryRequest = "profiling.io/memory-request" // Kubernetes quantity
	MemoryLimit   = "profiling.io/memory-limit"   // Kubernetes quantity
	NativeSidecar = "profiling.io/native-sidecar" // "true" or "false": overrides what the server version says
	MetricsPort   = "profiling.io/metrics-port"   // TCP port of the sidecar's /metrics; default: none is opened
	// SignalLaunchers allows, by "true", the SIGQUIT that starts a JVM's attach
	// listener also where another program than the java command runs the JVM.
	SignalLaunchers = "profiling.io/signal-launchers"
	// Capture asks for other events for a while; see ParseCapture. The sidecar reads
	// it, and Events to SampleRate and Threads, while the pod runs.
	Capture = "profiling.io/capture"
	Status  = "profiling.io/status" // written by the webhook: the decision, as JSON
)

// Prefix is what every annotation of ours begins with; an annotation that has
// it and is not in the list above is a typing error worth a warning.
const Prefix = "profiling.io/"

// ContainerName is the name of the injected container.
const ContainerName = "podflame"

// Volumes of an injected pod.
const (
	RecordingsVolume = "podflame-rec"   // prefix; emptyDir of one profiled container and the sidecar: recordings, session markers
	LibraryVolume    = "podflame-lib"   // emptyDir that the sidecar writes and the profiled containers mount read-only
	StateVolume      = "podflame-state" // emptyDir of the sidecar alone: spool, loss ledger, metrics socket
	PodVolume        = "podflame-pod"   // downward API: the pod's annotations, for the sidecar alone
	TmpVolume        = "podflame-tmp"   // prefix; emptyDir on /tmp of a container with a read-only root
	TokenVolume      = "podflame-token" // projected ServiceAccount token and trust bundle
)

// Mount paths, all below MountPath. The recordings of container NAME lie in
// RecordingsPath/NAME, in that container and in the sidecar, because the JVM is
// told paths that the sidecar reads; so does the library in LibraryPath.
const (
	MountPath       = "/var/run/podflame"
	RecordingsPath  = MountPath + "/recordings"
	LibraryPath     = MountPath + "/library"
	StatePath       = MountPath + "/state"
	PodPath         = MountPath + "/pod"
	AnnotationsFile = PodPath + "/annotations"
	TokenPath       = MountPath + "/credentials"
	TokenFile       = TokenPath + "/token"
	TrustFile       = TokenPath + "/ca.crt"
	MetricsSocket   = StatePath + "/metrics.sock" // /metrics and /livez, over HTTP
)

// A webhook of version 0.1 gives one volume for the recordings of all
// containers and for the library, and sets no EnvRecordings. A sidecar of that
// version knows nothing but EnvShared and EnvListen: it gets the recordings of
// the first profiled container and a free port of the pod's own address.
const (
	LegacySharedVolume = "podflame-shared"
	LegacySharedPath   = MountPath + "/shared"
	LegacyListen       = "127.0.0.1:0"
)

// Files in the volumes.
const (
	MarkerFile       = "session.json"      // in a volume of recordings: <pid>-<start ticks>/session.json
	LibraryDirectory = "lib"               // in the volume of the library: its content-addressed copies
	LibraryPrefix    = "libasyncProfiler-" // followed by the SHA-256 prefix and ".so"
)

// TokenAudience is the audience of the ServiceAccount token that the sidecar
// presents to the backend.
const TokenAudience = "podflame-backend"

// TrustConfigMap is the ConfigMap, in each namespace with profiled pods, whose
// key TrustKey holds the certificates that sign the backend.
const (
	TrustConfigMap = "podflame-trust"
	TrustKey       = "ca.crt"
)

// EnvContainer is set by the webhook in every profiled container, and read by
// the sidecar from the JVM's /proc/PID/environ, to learn the container's name.
const EnvContainer = "PODFLAME_CONTAINER"

// Environment of the injected container. Each is the default of the sidecar's
// flag of the same meaning. The container has neither command nor arguments:
// without any, the sidecar is the first process of its container, which keeps a
// child at work that is the sidecar proper.
const (
	EnvBackend         = "PODFLAME_BACKEND" // URL
	EnvBackendCA       = "PODFLAME_BACKEND_CA"
	EnvTokenFile       = "PODFLAME_TOKEN_FILE"
	EnvRecordings      = "PODFLAME_RECORDINGS_DIR" // holds one directory per profiled container
	EnvLibraryDir      = "PODFLAME_LIBRARY_DIR"
	EnvShared          = "PODFLAME_SHARED_DIR" // for sidecars without EnvRecordings: one directory for all
	EnvState           = "PODFLAME_STATE_DIR"
	EnvAnnotations     = "PODFLAME_ANNOTATIONS_FILE"
	EnvNativeSidecar   = "PODFLAME_NATIVE_SIDECAR" // "true" or "false": Kubernetes ends a native one itself
	EnvCluster         = "PODFLAME_CLUSTER"
	EnvNamespace       = "PODFLAME_NAMESPACE"
	EnvPod             = "PODFLAME_POD"
	EnvPodUID          = "PODFLAME_POD_UID"
	EnvNode            = "PODFLAME_NODE"
	EnvService         = "PODFLAME_SERVICE"
	EnvVersion         = "PODFLAME_VERSION"
	EnvContainers      = "PODFLAME_CONTAINERS" // comma-separated; empty means all
	EnvEvents          = "PODFLAME_EVENTS"     // those that every version knows; see SplitEvents
	EnvAllEvents       = "PODFLAME_ALL_EVENTS" // instead of EnvEvents, where there are others among them
	EnvWindow          = "PODFLAME_WINDOW"
	EnvCPUInterval     = "PODFLAME_CPU_INTERVAL"
	EnvAllocInterval   = "PODFLAME_ALLOC_INTERVAL"
	EnvLockThreshold   = "PODFLAME_LOCK_THRESHOLD"
	EnvSampleRate      = "PODFLAME_SAMPLE_RATE"
	EnvFixedIntervals  = "PODFLAME_FIXED_INTERVALS"  // comma-separated events whose interval was asked for
	EnvThreads         = "PODFLAME_THREADS"          // "false", else not set
	EnvSignalLaunchers = "PODFLAME_SIGNAL_LAUNCHERS" // "true", else not set
	EnvMetrics         = "PODFLAME_METRICS"          // address of /metrics and /livez: host:port or unix:PATH
	EnvListen          = "PODFLAME_LISTEN"           // for sidecars without EnvMetrics
	EnvDecodeMemory    = "PODFLAME_DECODE_MEMORY"    // MiB, from the container's memory limit
	EnvDecodeChildren  = "PODFLAME_DECODE_CHILDREN"  // as many as that limit holds of what an installation asks for, else not set
)
