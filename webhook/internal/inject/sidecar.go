package inject

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/podflame/podflame/sidecar/contract"
)

// memoryShare of the limit becomes GOMEMLIMIT, in percent: the rest is for what
// Go's collector does not see.
const memoryShare = 90

// librarySize is for a few versions of the profiler library, of less than 1 MiB
// each.
const librarySize = "32Mi"

// apiTokenPath is where ServiceAccount admission mounts the API token.
const apiTokenPath = "/var/run/secrets/kubernetes.io/serviceaccount"

// sidecarContainer has no probes. A startup probe would delay the application,
// a readiness probe would take it out of its Services, and a liveness probe
// over the network fails in pods whose mesh wants mutual TLS. A sidecar that is
// stuck shows as silent in the UI, and its session ends by its own timeout.
func sidecarContainer(plan Plan, cfg Config) corev1.Container {
	c := corev1.Container{
		Name:                     sidecarName,
		Image:                    cfg.Image,
		ImagePullPolicy:          cfg.ImagePullPolicy,
		Env:                      sidecarEnv(plan, cfg),
		Resources:                *plan.Resources.DeepCopy(),
		SecurityContext:          securityContext(plan),
		VolumeMounts:             sidecarMounts(plan),
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
	}
	if plan.Native {
		always := corev1.ContainerRestartPolicyAlways
		c.RestartPolicy = &always
	}
	if plan.MetricsPort != 0 {
		c.Ports = []corev1.ContainerPort{{Name: "metrics", ContainerPort: plan.MetricsPort, Protocol: corev1.ProtocolTCP}}
	}
	return c
}

func sidecarMounts(plan Plan) []corev1.VolumeMount {
	mounts := []corev1.VolumeMount{
		{Name: contract.LibraryVolume, MountPath: contract.LibraryPath},
		{Name: contract.StateVolume, MountPath: contract.StatePath},
		{Name: contract.PodVolume, MountPath: contract.PodPath, ReadOnly: true},
		{Name: contract.TokenVolume, MountPath: contract.TokenPath, ReadOnly: true},
		// Where something is mounted already, ServiceAccount admission does
		// not put the application's API token: the sidecar has no use for
		// it, and the pod is not changed again and reviewed twice.
		{Name: contract.TokenVolume, MountPath: apiTokenPath, ReadOnly: true},
	}
	for _, container := range plan.Containers {
		mounts = append(mounts, recordingsMount(container))
	}
	return mounts
}

// metricsPort is the port that the pod asks for, unless it is none that the
// sidecar may have: on the host's network a declared port is one of the node,
// and the next such pod would find no node.
func metricsPort(pod *corev1.Pod, asked *annotations) int32 {
	port := asked.metricsPort
	if port == 0 {
		return 0
	}
	if pod.Spec.HostNetwork {
		asked.warn(InvalidAnnotation, contract.MetricsPort+": the pod is on the host's network")
		return 0
	}
	bare := withoutSidecar(pod)
	for _, containers := range [][]corev1.Container{bare.Spec.InitContainers, bare.Spec.Containers} {
		for i := range containers {
			if slices.ContainsFunc(containers[i].Ports, func(p corev1.ContainerPort) bool { return p.ContainerPort == port }) {
				asked.warn(InvalidAnnotation, fmt.Sprintf("%s: container %s has port %d", contract.MetricsPort, containers[i].Name, port))
				return 0
			}
		}
	}
	return port
}

// metricsAddress is where the sidecar serves its metrics.
func metricsAddress(plan Plan) string {
	if plan.MetricsPort == 0 {
		return "unix:" + contract.MetricsSocket
	}
	return fmt.Sprintf(":%d", plan.MetricsPort)
}

func sidecarEnv(plan Plan, cfg Config) []corev1.EnvVar {
	s := plan.Settings
	events, allEvents := contract.SplitEvents(s.Events)
	asked, _ := strconv.ParseInt(cfg.Tuned[contract.DecodeChildren], 10, 64) // 0 if nothing is, and checked
	children, decodeMemory := decoders(asked, plan.MemLimit)
	env := []corev1.EnvVar{
		fromPod(contract.EnvNamespace, "metadata.namespace"),
		fromPod(contract.EnvPod, "metadata.name"),
		fromPod(contract.EnvPodUID, "metadata.uid"),
		fromPod(contract.EnvNode, "spec.nodeName"),
	}
	for _, pair := range [][2]string{
		{contract.EnvCluster, cfg.Cluster},
		{contract.EnvService, plan.Service},
		{contract.EnvVersion, plan.Version},
		{contract.EnvContainers, strings.Join(plan.Containers, ",")},
		{contract.EnvBackend, cfg.Backend},
		{contract.EnvBackendCA, contract.TrustFile},
		{contract.EnvTokenFile, contract.TokenFile},
		{contract.EnvRecordings, contract.RecordingsPath},
		{contract.EnvLibraryDir, contract.LibraryPath},
		{contract.EnvShared, recordingsMount(plan.Containers[0]).MountPath},
		{contract.EnvState, contract.StatePath},
		{contract.EnvAnnotations, contract.AnnotationsFile},
		{contract.EnvNativeSidecar, strconv.FormatBool(plan.Native)},
		{contract.EnvEvents, strings.Join(events, ",")},
		{contract.EnvWindow, s.Window.String()},
		{contract.EnvCPUInterval, s.CPUInterval.String()},
		{contract.EnvAllocInterval, strconv.FormatInt(s.AllocInterval, 10)},
		{contract.EnvLockThreshold, s.LockThreshold.String()},
		{contract.EnvMetrics, metricsAddress(plan)},
		{contract.EnvListen, contract.LegacyListen},
		{contract.EnvDecodeMemory, strconv.FormatInt(decodeMemory, 10)},
		{"GOMEMLIMIT", strconv.FormatInt(plan.MemLimit/100*memoryShare, 10)},
	} {
		env = append(env, corev1.EnvVar{Name: pair[0], Value: pair[1]})
	}
	if len(allEvents) > 0 {
		env = append(env, corev1.EnvVar{Name: contract.EnvAllEvents, Value: strings.Join(allEvents, ",")})
	}
	for _, tuning := range contract.Tunings() {
		if value, ok := cfg.Tuned[tuning.Flag]; ok {
			if tuning.Flag == contract.DecodeChildren {
				value = strconv.FormatInt(children, 10)
			}
			env = append(env, corev1.EnvVar{Name: tuning.Variable(), Value: value})
		}
	}
	if s.SampleRate != contract.DefaultSettings().SampleRate {
		env = append(env, corev1.EnvVar{Name: contract.EnvSampleRate, Value: strconv.Itoa(s.SampleRate)})
	}
	if len(s.Fixed) > 0 {
		env = append(env, corev1.EnvVar{Name: contract.EnvFixedIntervals, Value: strings.Join(s.Fixed, ",")})
	}
	if !s.Threads {
		env = append(env, corev1.EnvVar{Name: contract.EnvThreads, Value: "false"})
	}
	if plan.SignalLaunchers {
		env = append(env, corev1.EnvVar{Name: contract.EnvSignalLaunchers, Value: "true"})
	}
	return env
}

// The processes that read recordings get what the sidecar itself leaves, each within
// what its flag takes.
const (
	mebibyte        = 1 << 20
	ownMemory       = 128 // MiB
	minDecodeMemory = 96  // MiB
	maxDecodeMemory = 256 // MiB
)

// decoders are how many recordings are read at a time, of those asked for, and the MiB
// for each.
func decoders(asked, limit int64) (children, memory int64) {
	left := limit/mebibyte - ownMemory
	children = min(max(asked, 1), max(left/minDecodeMemory, 1))
	return children, min(max(left/children, minDecodeMemory), maxDecodeMemory)
}

func fromPod(name, field string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{
		FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: field},
	}}
}

// securityContext says everything itself, because a pod's own securityContext,
// such as runAsNonRoot, holds for each container that does not.
func securityContext(plan Plan) *corev1.SecurityContext {
	nonRoot, yes, no := plan.Security == SameUser, true, false
	c := &corev1.SecurityContext{
		RunAsUser:                &plan.UID,
		RunAsGroup:               &plan.GID,
		RunAsNonRoot:             &nonRoot,
		AllowPrivilegeEscalation: &no,
		ReadOnlyRootFilesystem:   &yes,
		SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		AppArmorProfile:          plan.AppArmor,
		SELinuxOptions:           plan.SELinux,
	}
	switch plan.Security {
	case SameUser, RootNoCapabilities:
		c.Capabilities = &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}
	case RootSwitch:
		c.Capabilities = &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}, Add: plan.Add}
	case RootPtrace:
		c.Capabilities = &corev1.Capabilities{Add: []corev1.Capability{"SYS_PTRACE"}}
	}
	return c
}

// volumes writes out what the API server would fill in, so that a second call
// finds nothing to change.
func volumes(plan Plan, cfg Config) []corev1.Volume {
	list := []corev1.Volume{
		emptyDir(contract.LibraryVolume, resource.MustParse(librarySize)),
		emptyDir(contract.StateVolume, cfg.StateSize),
		podInfo(),
		credentials(cfg),
	}
	for _, container := range plan.Containers {
		list = append(list, emptyDir(volumeName(contract.RecordingsVolume, container), cfg.RecordingsSize))
	}
	for _, container := range plan.TmpFor {
		list = append(list, emptyDir(volumeName(contract.TmpVolume, container), cfg.TmpSize))
	}
	return list
}

func emptyDir(name string, limit resource.Quantity) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
		EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: &limit},
	}}
}

// podInfo is the pod's annotations as a file, which follows changes of them.
func podInfo() corev1.Volume {
	mode := corev1.DownwardAPIVolumeSourceDefaultMode
	return corev1.Volume{Name: contract.PodVolume, VolumeSource: corev1.VolumeSource{
		DownwardAPI: &corev1.DownwardAPIVolumeSource{DefaultMode: &mode, Items: []corev1.DownwardAPIVolumeFile{{
			Path: path.Base(contract.AnnotationsFile), FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.annotations"},
		}}},
	}}
}

func credentials(cfg Config) corev1.Volume {
	mode, optional, seconds := corev1.ProjectedVolumeSourceDefaultMode, true, int64(cfg.TokenLifetime.Seconds())
	return corev1.Volume{Name: contract.TokenVolume, VolumeSource: corev1.VolumeSource{
		Projected: &corev1.ProjectedVolumeSource{DefaultMode: &mode, Sources: []corev1.VolumeProjection{
			{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{
				Audience: cfg.TokenAudience, ExpirationSeconds: &seconds, Path: "token",
			}},
			{ConfigMap: &corev1.ConfigMapProjection{
				LocalObjectReference: corev1.LocalObjectReference{Name: cfg.TrustConfigMap},
				Items:                []corev1.KeyToPath{{Key: contract.TrustKey, Path: contract.TrustKey}},
				Optional:             &optional,
			}},
		}},
	}}
}
