package inject

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/version"

	"github.com/podflame/podflame/sidecar/contract"
)

// Config is what the cluster's administrator decides once for all pods. Begin
// with DefaultConfig.
type Config struct {
	Image              string            // of the sidecar
	ImagePullPolicy    corev1.PullPolicy // empty: Kubernetes decides by the tag
	PullSecrets        []string          // for that image: names of Secrets in the pods' namespaces
	Version            string            // of this webhook, written into the status annotation
	Cluster            string            // name of this cluster
	Backend            string            // URL to which the sidecars send
	ServerVersion      string            // of the API server, such as 1.34.4; empty means unknown
	Native             *bool             // whether to use native sidecars; nil: by ServerVersion
	Architectures      []string          // that the image exists for, as nodes name them
	TokenAudience      string
	TokenLifetime      time.Duration // of the projected token; kubelet renews it at 80 %
	TrustConfigMap     string
	ExcludedNamespaces []string // never changed
	IgnoredContainers  []string // patterns of names; profiled only if profiling.io/containers names them
	IgnoredImages      []string // likewise, patterns of the last components of an image's repository
	Settings           contract.Settings
	Tuned              map[string]string // values of contract.Tunings for all sidecars, by flag
	CPURequest         resource.Quantity
	CPULimit           resource.Quantity
	CPUGuaranteed      resource.Quantity // request and limit in pods of QoS class Guaranteed, which stay so
	MemoryRequest      resource.Quantity
	MemoryLimit        resource.Quantity
	CPUMaximum         resource.Quantity // of what annotations may ask for
	MemoryMaximum      resource.Quantity
	RecordingsSize     resource.Quantity // sizeLimit of each volume
	StateSize          resource.Quantity
	TmpSize            resource.Quantity
	AllowSysPtrace     bool // gives SYS_PTRACE to the sidecar of a root JVM with extra capabilities
	RootInNonRootPods  bool // gives a root sidecar to pods that declare runAsNonRoot
}

// DefaultConfig is everything but Image, Version, Cluster, Backend and
// ServerVersion. The size limits are above what the sidecar writes at most (16
// recordings of 64 MiB; 128 MiB of spool), because kubelet evicts the whole pod
// when one is exceeded.
func DefaultConfig() Config {
	return Config{
		Architectures:      []string{"amd64", "arm64"},
		TokenAudience:      contract.TokenAudience,
		TokenLifetime:      time.Hour,
		TrustConfigMap:     contract.TrustConfigMap,
		ExcludedNamespaces: []string{"kube-system", "kube-public", "kube-node-lease"},
		IgnoredContainers:  helperContainers,
		IgnoredImages:      helperImages,
		Settings:           contract.DefaultSettings(),
		CPURequest:         resource.MustParse("20m"),
		CPULimit:           resource.MustParse("500m"),
		CPUGuaranteed:      resource.MustParse("100m"),
		MemoryRequest:      resource.MustParse("64Mi"),
		MemoryLimit:        resource.MustParse("384Mi"),
		CPUMaximum:         resource.MustParse("2"),
		MemoryMaximum:      resource.MustParse("2Gi"),
		RecordingsSize:     resource.MustParse("1280Mi"),
		StateSize:          resource.MustParse("256Mi"),
		TmpSize:            resource.MustParse("256Mi"),
	}
}

// minTokenLifetime is what the API server accepts for a projected token.
const minTokenLifetime = 10 * time.Minute

// Validate says which value would make pods that no API server accepts.
func (c Config) Validate() error {
	if c.Image == "" || strings.ContainsAny(c.Image, " \t\n") {
		return fmt.Errorf("sidecar image %q is not an image name", c.Image)
	}
	if u, err := url.Parse(c.Backend); err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return fmt.Errorf("backend %q is not an http or https URL", c.Backend)
	}
	if c.TokenLifetime < minTokenLifetime {
		return fmt.Errorf("token lifetime %s is below %s, the least that Kubernetes accepts", c.TokenLifetime, minTokenLifetime)
	}
	if c.ServerVersion != "" {
		if _, err := version.ParseGeneric(c.ServerVersion); err != nil {
			return fmt.Errorf("read server version %q: %w", c.ServerVersion, err)
		}
	}
	for _, pattern := range slices.Concat(c.IgnoredContainers, c.IgnoredImages) {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("pattern %q of ignored containers or images: %w", pattern, err)
		}
	}
	return c.validateResources()
}

func (c Config) validateResources() error {
	for _, pair := range []struct {
		what      string
		low, high resource.Quantity
	}{
		{"CPU request and limit", c.CPURequest, c.CPULimit},
		{"CPU limit and maximum", c.CPULimit, c.CPUMaximum},
		{"guaranteed CPU and maximum", c.CPUGuaranteed, c.CPUMaximum},
		{"memory request and limit", c.MemoryRequest, c.MemoryLimit},
		{"memory limit and maximum", c.MemoryLimit, c.MemoryMaximum},
	} {
		if pair.low.Sign() <= 0 || pair.low.Cmp(pair.high) > 0 {
			return fmt.Errorf("%s: %s must be above 0 and not above %s", pair.what, pair.low.String(), pair.high.String())
		}
	}
	if least := resource.MustParse(minimumMemLimit); c.MemoryLimit.Cmp(least) < 0 {
		return fmt.Errorf("memory limit %s is below %s, with which no recording could be read", c.MemoryLimit.String(), minimumMemLimit)
	}
	for name, size := range map[string]resource.Quantity{
		contract.RecordingsVolume: c.RecordingsSize, contract.StateVolume: c.StateSize, contract.TmpVolume: c.TmpSize,
	} {
		if size.Sign() <= 0 {
			return fmt.Errorf("size limit %s of volume %s must be above 0", size.String(), name)
		}
	}
	return c.validateTuned()
}

// validateTuned refuses what would let sidecars write more than their volumes
// hold, for which the kubelet evicts the whole pod.
func (c Config) validateTuned() error {
	targets, tunedTargets := c.tuned("max-targets", 16)
	recording, tunedRecording := c.tuned("max-recording", 64)
	spool, tunedSpool := c.tuned("spool-bytes", 128)
	if most := targets * recording * mebibyte; (tunedTargets || tunedRecording) && most > c.RecordingsSize.Value() {
		return fmt.Errorf("%d recordings (max-targets) of %d MiB (max-recording) are more than the size limit %s of volume %s", targets, recording, c.RecordingsSize.String(), contract.RecordingsVolume)
	}
	if tunedSpool && spool*mebibyte > c.StateSize.Value() {
		return fmt.Errorf("%d MiB of windows (spool-bytes) are more than the size limit %s of volume %s", spool, c.StateSize.String(), contract.StateVolume)
	}
	return nil
}

// tuned is a number for all sidecars, and whether it is set.
func (c Config) tuned(flag string, byDefault int64) (n int64, set bool) {
	n, err := strconv.ParseInt(c.Tuned[flag], 10, 64)
	if err != nil {
		return byDefault, false
	}
	return n, true
}

// nativeSince is the first version whose API servers and kubelets have native
// sidecars without a feature gate set by hand.
var nativeSince = version.MustParseGeneric("1.29")

// nativeSidecars tells whether a sidecar is native unless its pod says
// otherwise, and whether a pod may ask for it: not from a server that is known
// to be too old.
func (c Config) nativeSidecars() (native, possible bool) {
	v, err := version.ParseGeneric(c.ServerVersion)
	known := err == nil
	native = known && v.AtLeast(nativeSince)
	possible = native || !known
	if c.Native != nil {
		return *c.Native, possible || *c.Native
	}
	return native, possible
}
