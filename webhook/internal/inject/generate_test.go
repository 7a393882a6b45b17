package inject

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/podflame/podflame/sidecar/contract"
)

// The pools are small and hold what the decision looks at, so that generated
// pods meet its cases often.
var (
	containerNames = []string{"app", "worker", "istio-proxy", "linkerd-proxy", "podflame", "a-container-with-a-name-of-the-greatest-length-that-is-allowed"}
	volumeNames    = []string{"data", "tmp", "run", "podflame-shared", "podflame-state", "podflame-tmp-app", "podflame-rec-app", "podflame-lib", "podflame-pod", "podflame-token", "config"}
	mountPaths     = []string{"/data", "/tmp", "/tmp/", "/tmp/cache", "/var", "/var/run", "/run", "/var/run/podflame", "/var/run/podflame/recordings/app", "/run/podflame/library", "/var/run/podflame/state", "/etc/x"}
	images         = []string{"app", "app:1", "host:5000/app:latest", "app@sha256:0123456789abcdef", ""}
	userIDs        = []int64{0, 1001, 1002, 65532}
	capabilityPool = []corev1.Capability{"ALL", "NET_ADMIN", "NET_RAW", "CAP_CHOWN", "SYS_PTRACE", "NET_BIND_SERVICE"}
	flagValues     = []string{"true", "false", "True", "", "yes"}
	quantityValues = []string{"1m", "50m", "1", "64", "1Ki", "128Mi", "1Ti", "-1", "lots", ""}
	annotationPool = map[string][]string{
		contract.Containers:    {"app", "worker,app", "nobody", ",", "podflame", "istio-proxy"},
		contract.Service:       {"shop", "a b", "$(HOME)", ""},
		contract.Version:       {"1.0", "é", ""},
		contract.Events:        {"cpu", "cpu,wall", "gpu", ""},
		contract.Window:        {"10s", "1h", "1500ms", "x"},
		contract.CPUInterval:   {"1ms", "0", "x"},
		contract.AllocInterval: {"1m", "1", "x"},
		contract.LockThreshold: {"1ms", "0", "x"},
		contract.SampleRate:    {"0", "50", "-1", "many"},
		contract.Threads:       {"true", "false", "x"},
		contract.RunAsUser:     {"0", "1001", "1001:1001", "0:5", "app", "-1", "1:2:3"},
		contract.CPURequest:    quantityValues,
		contract.CPULimit:      quantityValues,
		contract.MemoryRequest: quantityValues,
		contract.MemoryLimit:   quantityValues,
		contract.NativeSidecar: flagValues,
		contract.MetricsPort:   {"9467", "8080", "80", "65536", "x", ""},
		contract.Prefix + "x":  {"1"},
		contract.Status:        {`{"injected":true,"reason":"injected"}`, "{", "[]"},
		"other":                {"value"},
	}
)

// some draws a value from the pool, or nil.
func some[T any](t *rapid.T, label string, pool []T) *T {
	if rapid.Bool().Draw(t, label+"?") {
		return nil
	}
	v := rapid.SampledFrom(pool).Draw(t, label)
	return &v
}

var bools = []bool{true, false}

// drawPod draws a pod that an API server would take.
func drawPod(t *rapid.T) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "shop", Annotations: map[string]string{}}}
	if rapid.IntRange(0, 9).Draw(t, "asks") > 0 {
		pod.Annotations[contract.Enabled] = "true"
	}
	for _, key := range sortedKeys(annotationPool) {
		if rapid.IntRange(0, 5).Draw(t, key+"?") == 0 {
			pod.Annotations[key] = rapid.SampledFrom(annotationPool[key]).Draw(t, key)
		}
	}
	if kind := some(t, "owner", []string{"ReplicaSet", "Job", "StatefulSet"}); kind != nil {
		pod.OwnerReferences = ownedBy(*kind, "owner-7d4b9c6f5d")
	}
	drawSpec(t, &pod.Spec)
	return pod
}

func drawSpec(t *rapid.T, spec *corev1.PodSpec) {
	rare := func(label string) bool { return rapid.IntRange(0, 19).Draw(t, label) == 0 }
	spec.HostPID, spec.HostNetwork = rare("hostPID"), rare("hostNetwork")
	if rare("share?") {
		spec.ShareProcessNamespace = some(t, "share", bools)
	}
	if rare("windows") {
		spec.OS = &corev1.PodOS{Name: corev1.Windows}
	}
	if rare("resources") {
		spec.Resources = &corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")}}
	}
	if rare("user namespace") {
		no := false
		spec.HostUsers = &no
	}
	if policy := some(t, "restartPolicy", []corev1.RestartPolicy{corev1.RestartPolicyAlways, corev1.RestartPolicyNever}); policy != nil {
		spec.RestartPolicy = *policy
	}
	if rapid.Bool().Draw(t, "pod security") {
		spec.SecurityContext = &corev1.PodSecurityContext{
			RunAsUser: some(t, "uid", userIDs), RunAsGroup: some(t, "gid", userIDs), RunAsNonRoot: some(t, "nonRoot", bools),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		}
	}
	drawVolumes(t, spec)
	for i, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(containerNames), 1, 4, rapid.ID).Draw(t, "containers") {
		c := drawContainer(t, name, spec.Volumes)
		if i > 0 && rapid.IntRange(0, 3).Draw(t, "init") == 0 {
			c.RestartPolicy = some(t, "restart", []corev1.ContainerRestartPolicy{corev1.ContainerRestartPolicyAlways})
			spec.InitContainers = append(spec.InitContainers, c)
			continue
		}
		spec.Containers = append(spec.Containers, c)
	}
}

func drawVolumes(t *rapid.T, spec *corev1.PodSpec) {
	limit := 4
	if rapid.IntRange(0, 3).Draw(t, "free of our names") > 0 {
		limit = 3
	}
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(volumeNames), 0, limit, rapid.ID).Draw(t, "volumes") {
		if limit == 3 && isOurVolume(name) {
			continue
		}
		v := corev1.Volume{Name: name}
		if rapid.Bool().Draw(t, "read-only kind") {
			v.ConfigMap = &corev1.ConfigMapVolumeSource{}
		} else {
			v.EmptyDir = &corev1.EmptyDirVolumeSource{}
		}
		spec.Volumes = append(spec.Volumes, v)
	}
}

func drawContainer(t *rapid.T, name string, volumes []corev1.Volume) corev1.Container {
	c := corev1.Container{Name: name, Image: rapid.SampledFrom(images).Draw(t, "image")}
	if value := some(t, "variable", []string{name, "other"}); value != nil && rapid.IntRange(0, 4).Draw(t, "ours") == 0 {
		c.Env = []corev1.EnvVar{{Name: "A", Value: "1"}, {Name: contract.EnvContainer, Value: *value}}
	}
	used := map[string]bool{}
	for i, v := range volumes {
		p := rapid.SampledFrom(mountPaths).Draw(t, fmt.Sprintf("mount %d", i))
		clean := p
		if p == "/tmp/" {
			clean = "/tmp"
		}
		if !used[clean] {
			c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: v.Name, MountPath: p, ReadOnly: rapid.IntRange(0, 3).Draw(t, "ro") == 0})
		}
		used[clean] = true
	}
	if rapid.Bool().Draw(t, "security") {
		c.SecurityContext = drawSecurity(t)
	}
	if rapid.Bool().Draw(t, "limits") {
		c.Resources.Limits = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse("1Gi")}
	}
	if rapid.IntRange(0, 4).Draw(t, "ephemeral") == 0 {
		c.Resources.Limits = withResources(c.Resources.Limits, corev1.ResourceList{corev1.ResourceEphemeralStorage: resource.MustParse("1Gi")})
	}
	return c
}

// drawSecurity draws hardened contexts half of the time: any context at random
// would hardly ever meet level restricted.
func drawSecurity(t *rapid.T) *corev1.SecurityContext {
	s := &corev1.SecurityContext{
		RunAsUser: some(t, "uid", userIDs), RunAsGroup: some(t, "gid", userIDs), RunAsNonRoot: some(t, "nonRoot", bools),
		ReadOnlyRootFilesystem: some(t, "readOnlyRoot", bools),
	}
	if rapid.Bool().Draw(t, "hardened") {
		no := false
		s.AllowPrivilegeEscalation = &no
		s.Capabilities = &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}
		s.SeccompProfile = &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}
		return s
	}
	s.Privileged = some(t, "privileged", bools)
	s.Capabilities = &corev1.Capabilities{
		Add:  rapid.SliceOfNDistinct(rapid.SampledFrom(capabilityPool), 0, 2, rapid.ID).Draw(t, "add"),
		Drop: rapid.SliceOfNDistinct(rapid.SampledFrom(capabilityPool), 0, 2, rapid.ID).Draw(t, "drop"),
	}
	return s
}

func drawNamespace(t *rapid.T) *Namespace {
	if rapid.Bool().Draw(t, "unknown namespace") {
		return nil
	}
	ns := namespaceWith(absent)
	ns.Labels = map[string]string{}
	if v := some(t, "namespace enabled", flagValues); v != nil {
		ns.Labels[contract.Enabled] = *v
	}
	for _, key := range sortedKeys(annotationPool) {
		if rapid.IntRange(0, 9).Draw(t, "namespace "+key+"?") == 0 {
			ns.Annotations = map[string]string{key: rapid.SampledFrom(annotationPool[key]).Draw(t, "namespace "+key)}
		}
	}
	drawLimits(t, ns)
	if v := some(t, "enforce", []string{"privileged", "baseline", "restricted", "x"}); v != nil {
		ns.Labels["pod-security.kubernetes.io/enforce"] = *v
	}
	return ns
}

func drawConfig(t *rapid.T) Config {
	cfg := testConfig()
	cfg.ServerVersion = rapid.SampledFrom([]string{"1.34.4", "1.28.0", ""}).Draw(t, "server")
	cfg.Native = some(t, "native", bools)
	cfg.PullSecrets = rapid.SampledFrom([][]string{nil, {"registry"}}).Draw(t, "pull secrets")
	cfg.AllowSysPtrace = rapid.Bool().Draw(t, "ptrace")
	cfg.RootInNonRootPods = rapid.IntRange(0, 4).Draw(t, "root") == 0
	if list := rapid.SampledFrom([]string{"", "", "", "sample-rate=0;threads=false", "window=30s;renew=1h;max-targets=8"}).Draw(t, "settings"); list != "" {
		tune(t, &cfg, list)
	}
	return cfg
}
