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
	Events        = "profiling.io/events"         // comma-separated out of cpu, alloc, lock, wall
	Window        = "profiling.io/window"         // Go duration, MinWindow to MaxWindow
	CPUInterval   = "profiling.io/cpu-interval"   // Go duration
	AllocInterval = "profiling.io/alloc-interval" // bytes, suffix k or m allowed
	LockThreshold = "profiling.io/lock-threshold" // Go duration
	RunAsUser     = "profiling.io/run-as-user"    // "uid" or "uid:gid" of the JVM, when only its image knows; without gid the securityContext's, or 0
	CPURequest    = "profiling.io/cpu-request"    // Kubernetes quantity
	CPULimit      = "profiling.io/cpu-limit"      // Kubernetes quantity
	MemoryRequest = "profiling.io/memory-request" // Kubernetes quantity
	MemoryLimit   = "profiling.io/memory-limit"   // Kubernetes quantity
	NativeSidecar = "profiling.io/native-sidecar" // "true" or "false": overrides what the server version says
	Status        = "profiling.io/status"         // written by the webhook: the decision, as JSON
)

// Prefix is what every annotation of ours begins with; an annotation that has
// it and is not in the list above is a typing error worth a warning.
const Prefix = "profiling.io/"

// ContainerName is the name of the injected container.
const ContainerName = "podflame"

// Volumes of an injected pod.
const (
	SharedVolume = "podflame-shared" // emptyDir in every profiled container: library, recordings, session marker
	StateVolume  = "podflame-state"  // emptyDir of the sidecar alone: spool and loss ledger
	TmpVolume    = "podflame-tmp"    // prefix; emptyDir on /tmp of a container with a read-only root
	TokenVolume  = "podflame-token"  // projected ServiceAccount token and trust bundle
)

// Mount paths. SharedPath is the same in every container, because the JVM is
// told paths that the sidecar reads.
const (
	SharedPath = "/var/run/podflame/shared"
	StatePath  = "/var/run/podflame/state"
	TokenPath  = "/var/run/podflame/credentials"
	TokenFile  = TokenPath + "/token"
	TrustFile  = TokenPath + "/ca.crt"
)

// Files in the shared volume.
const (
	MarkerFile       = "session.json"      // in the session's own directory: SharedPath/<pid>-<start ticks>/session.json
	LibraryDirectory = "lib"               // content-addressed copies of the profiler library
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
// flag of the same meaning.
const (
	EnvBackend       = "PODFLAME_BACKEND" // URL
	EnvBackendCA     = "PODFLAME_BACKEND_CA"
	EnvTokenFile     = "PODFLAME_TOKEN_FILE"
	EnvShared        = "PODFLAME_SHARED_DIR"
	EnvState         = "PODFLAME_STATE_DIR"
	EnvCluster       = "PODFLAME_CLUSTER"
	EnvNamespace     = "PODFLAME_NAMESPACE"
	EnvPod           = "PODFLAME_POD"
	EnvPodUID        = "PODFLAME_POD_UID"
	EnvNode          = "PODFLAME_NODE"
	EnvService       = "PODFLAME_SERVICE"
	EnvVersion       = "PODFLAME_VERSION"
	EnvContainers    = "PODFLAME_CONTAINERS" // comma-separated; empty means all
	EnvEvents        = "PODFLAME_EVENTS"
	EnvWindow        = "PODFLAME_WINDOW"
	EnvCPUInterval   = "PODFLAME_CPU_INTERVAL"
	EnvAllocInterval = "PODFLAME_ALLOC_INTERVAL"
	EnvLockThreshold = "PODFLAME_LOCK_THRESHOLD"
	EnvListen        = "PODFLAME_LISTEN"        // set where MetricsPort is not free
	EnvDecodeMemory  = "PODFLAME_DECODE_MEMORY" // MiB, from the container's memory limit
)

// MetricsPort is where the sidecar serves /metrics and /livez.
const MetricsPort = 9467
