package main

import (
	"fmt"
	"runtime/debug"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/podflame/podflame/webhook/internal/inject"
)

// sidecarFlags are what an installation decides about its sidecars. Empty
// values leave what inject.DefaultConfig says.
type sidecarFlags struct {
	ClusterName        string        `name:"cluster" default:"default" env:"PODFLAME_CLUSTER" help:"Name of this cluster, given to the sidecars."`
	SidecarImage       string        `env:"PODFLAME_SIDECAR_IMAGE" help:"Image of the sidecar."`
	SidecarPullPolicy  string        `default:"IfNotPresent" enum:"Always,IfNotPresent,Never" env:"PODFLAME_SIDECAR_PULL_POLICY" help:"Pull policy of that image."`
	PullSecrets        []string      `name:"sidecar-pull-secrets" env:"PODFLAME_SIDECAR_PULL_SECRETS" help:"Secrets for pulling that image, which injected pods refer to in their own namespace."`
	BackendURL         string        `name:"backend" default:"https://podflame-backend.podflame-system.svc:8443" env:"PODFLAME_BACKEND" help:"URL that the sidecars upload to."`
	ServerVersion      string        `env:"PODFLAME_SERVER_VERSION" help:"Version of Kubernetes, which decides about native sidecars; by default the API server is asked. A version below 1.29 turns native sidecars off."`
	TokenLifetime      time.Duration `env:"PODFLAME_TOKEN_LIFETIME" help:"Lifetime of the sidecars' tokens (1h)."`
	ExcludedNamespaces []string      `env:"PODFLAME_EXCLUDED_NAMESPACES" help:"Namespaces, besides kube-system, kube-public, kube-node-lease and our own, whose pods are never changed."`
	IgnoredContainers  []string      `env:"PODFLAME_IGNORED_CONTAINERS" help:"Containers that are profiled only if a pod names them; replaces the list of well-known sidecars. Patterns may hold * and ?."`
	IgnoredImages      []string      `env:"PODFLAME_IGNORED_IMAGES" help:"Likewise by image: patterns of the last components of a repository, such as fluent/fluent-bit; replaces the list of well-known ones."`
	CPURequest         string        `env:"PODFLAME_SIDECAR_CPU_REQUEST" help:"CPU request of a sidecar without the annotation (20m)."`
	CPULimit           string        `env:"PODFLAME_SIDECAR_CPU_LIMIT" help:"CPU limit of a sidecar without the annotation (500m)."`
	CPUGuaranteed      string        `env:"PODFLAME_SIDECAR_CPU_GUARANTEED" help:"CPU request and limit in pods of QoS class Guaranteed (100m)."`
	MemoryRequest      string        `env:"PODFLAME_SIDECAR_MEMORY_REQUEST" help:"Memory request of a sidecar without the annotation (64Mi)."`
	MemoryLimit        string        `env:"PODFLAME_SIDECAR_MEMORY_LIMIT" help:"Memory limit of a sidecar without the annotation (384Mi)."`
	MaxCPU             string        `env:"PODFLAME_SIDECAR_MAX_CPU" help:"Most CPU that an annotation may ask for (2)."`
	MaxMemory          string        `env:"PODFLAME_SIDECAR_MAX_MEMORY" help:"Most memory that an annotation may ask for (2Gi)."`
	RecordingsSize     string        `env:"PODFLAME_SIDECAR_RECORDINGS_SIZE" help:"Size limit of the volume of recordings of each profiled container; a pod above it is evicted (1280Mi)."`
	StateSize          string        `env:"PODFLAME_SIDECAR_STATE_SIZE" help:"Size limit of the sidecar's own volume; a pod above it is evicted (256Mi)."`
	TmpSize            string        `env:"PODFLAME_SIDECAR_TMP_SIZE" help:"Size limit of the /tmp given to containers with a read-only root (256Mi)."`
	Architectures      []string      `env:"PODFLAME_SIDECAR_ARCHITECTURES" help:"Architectures of nodes for which the image of the sidecar exists (amd64,arm64)."`
	AllowSysPtrace     bool          `env:"PODFLAME_ALLOW_SYS_PTRACE" help:"Give SYS_PTRACE to the sidecar of a root JVM with extra capabilities."`
	RootInNonRootPods  bool          `env:"PODFLAME_ROOT_IN_NON_ROOT_PODS" help:"Give a root sidecar to pods that declare runAsNonRoot and whose user is not known."`

	Settings map[string]string `name:"sidecar-settings" env:"PODFLAME_SIDECAR_SETTINGS" placeholder:"FLAG=VALUE;..." help:"Flags of the sidecar for all that are injected, such as sample-rate=100;longest-alloc-interval=16m. What an annotation sets, too, has this as its default. A sidecar whose version lacks a flag ignores it."`
}

// config is the configuration that the flags make of the defaults. It is not
// validated: the version of the server may still be missing.
func (f *sidecarFlags) config() (inject.Config, error) {
	config := inject.DefaultConfig()
	config.Image = f.SidecarImage
	config.ImagePullPolicy = corev1.PullPolicy(f.SidecarPullPolicy)
	config.Version = programVersion()
	config.PullSecrets = f.PullSecrets
	config.Cluster = f.ClusterName
	config.Backend = f.BackendURL
	config.ServerVersion = f.ServerVersion
	config.AllowSysPtrace = f.AllowSysPtrace
	config.RootInNonRootPods = f.RootInNonRootPods
	config.ExcludedNamespaces = append(config.ExcludedNamespaces, f.ExcludedNamespaces...)
	if f.TokenLifetime != 0 {
		config.TokenLifetime = f.TokenLifetime
	}
	if len(f.IgnoredContainers) > 0 {
		config.IgnoredContainers = f.IgnoredContainers
	}
	if len(f.Architectures) > 0 {
		config.Architectures = f.Architectures
	}
	if len(f.IgnoredImages) > 0 {
		config.IgnoredImages = f.IgnoredImages
	}
	var err error
	if config.Settings, config.Tuned, err = config.Settings.Tune(f.Settings); err != nil {
		return config, fmt.Errorf("read --sidecar-settings: %w", err)
	}
	return config, f.quantities(&config)
}

func (f *sidecarFlags) quantities(config *inject.Config) error {
	for _, quantity := range []struct {
		flag, text string
		into       *resource.Quantity
	}{
		{"cpu-request", f.CPURequest, &config.CPURequest},
		{"cpu-limit", f.CPULimit, &config.CPULimit},
		{"cpu-guaranteed", f.CPUGuaranteed, &config.CPUGuaranteed},
		{"memory-request", f.MemoryRequest, &config.MemoryRequest},
		{"memory-limit", f.MemoryLimit, &config.MemoryLimit},
		{"max-cpu", f.MaxCPU, &config.CPUMaximum},
		{"max-memory", f.MaxMemory, &config.MemoryMaximum},
		{"recordings-size", f.RecordingsSize, &config.RecordingsSize},
		{"state-size", f.StateSize, &config.StateSize},
		{"tmp-size", f.TmpSize, &config.TmpSize},
	} {
		if quantity.text == "" {
			continue
		}
		parsed, err := resource.ParseQuantity(quantity.text)
		if err != nil {
			return fmt.Errorf("read --%s=%s: %w", quantity.flag, quantity.text, err)
		}
		*quantity.into = parsed
	}
	return nil
}

// version is set by the build.
var version = ""

// programVersion is the version that the build sets, or else that of the module
// that this program was built from.
func programVersion() string {
	if version != "" {
		return version
	}
	if build, ok := debug.ReadBuildInfo(); ok && build.Main.Version != "" {
		return build.Main.Version
	}
	return "unknown"
}
