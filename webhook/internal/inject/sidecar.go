package inject

import (
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

// apiTokenPath is where ServiceAccount admission mounts the API token.
const apiTokenPath = "/var/run/secrets/kubernetes.io/serviceaccount"

// sidecarContainer has no probes. A startup probe would delay the application,
// a readiness probe would take it out of its Services, and a liveness probe
// over the network fails in pods whose mesh wants mutual TLS. A sidecar that is
// stuck shows as silent in the UI, and its session ends by its own timeout.
func sidecarContainer(pod *corev1.Pod, plan Plan, cfg Config) corev1.Container {
	c := corev1.Container{
		Name:            sidecarName,
		Image:           cfg.Image,
		ImagePullPolicy: cfg.ImagePullPolicy,
		Env:             sidecarEnv(pod, plan, cfg),
		Resources:       *plan.Resources.DeepCopy(),
		SecurityContext: securityContext(plan),
		VolumeMounts: []corev1.VolumeMount{
			{Name: contract.SharedVolume, MountPath: contract.SharedPath},
			{Name: contract.StateVolume, MountPath: contract.StatePath},
			{Name: contract.TokenVolume, MountPath: contract.TokenPath, ReadOnly: true},
			// Where something is mounted already, ServiceAccount admission does
			// not put the application's API token: the sidecar has no use for
			// it, and the pod is not changed again and reviewed twice.
			{Name: contract.TokenVolume, MountPath: apiTokenPath, ReadOnly: true},
		},
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
	}
	if plan.Native {
		always := corev1.ContainerRestartPolicyAlways
		c.RestartPolicy = &always
	}
	if portIsFree(pod) {
		c.Ports = []corev1.ContainerPort{{Name: "metrics", ContainerPort: contract.MetricsPort, Protocol: corev1.ProtocolTCP}}
	}
	return c
}

// portIsFree is false in a pod on the host's network, where a declared port is
// one of the node and the next such pod would find no node, and where the
// application uses the port itself.
func portIsFree(pod *corev1.Pod) bool {
	if pod.Spec.HostNetwork {
		return false
	}
	bare := withoutSidecar(pod)
	for _, containers := range [][]corev1.Container{bare.Spec.InitContainers, bare.Spec.Containers} {
		for i := range containers {
			if slices.ContainsFunc(containers[i].Ports, func(p corev1.ContainerPort) bool { return p.ContainerPort == contract.MetricsPort }) {
				return false
			}
		}
	}
	return true
}

func sidecarEnv(pod *corev1.Pod, plan Plan, cfg Config) []corev1.EnvVar {
	s := plan.Settings
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
		{contract.EnvShared, contract.SharedPath},
		{contract.EnvState, contract.StatePath},
		{contract.EnvEvents, strings.Join(s.Events, ",")},
		{contract.EnvWindow, s.Window.String()},
		{contract.EnvCPUInterval, s.CPUInterval.String()},
		{contract.EnvAllocInterval, strconv.FormatInt(s.AllocInterval, 10)},
		{contract.EnvLockThreshold, s.LockThreshold.String()},
		{contract.EnvDecodeMemory, strconv.FormatInt(decodeMemory(plan.MemLimit), 10)},
		{"GOMEMLIMIT", strconv.FormatInt(plan.MemLimit/100*memoryShare, 10)},
	} {
		env = append(env, corev1.EnvVar{Name: pair[0], Value: pair[1]})
	}
	if !portIsFree(pod) {
		env = append(env, corev1.EnvVar{Name: contract.EnvListen, Value: anyLocalPort})
	}
	return env
}

// anyLocalPort keeps the metrics for those who look inside the pod.
const anyLocalPort = "127.0.0.1:0"

// The process that reads recordings gets what the sidecar itself leaves, within
// what its flag takes.
const (
	mebibyte        = 1 << 20
	ownMemory       = 128 // MiB
	minDecodeMemory = 96  // MiB
	maxDecodeMemory = 256 // MiB
)

func decodeMemory(limit int64) int64 {
	return min(max(limit/mebibyte-ownMemory, minDecodeMemory), maxDecodeMemory)
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
	}
	switch plan.Security {
	case SameUser, RootNoCapabilities:
		c.Capabilities = &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}
	case RootPtrace:
		c.Capabilities = &corev1.Capabilities{Add: []corev1.Capability{"SYS_PTRACE"}}
	}
	return c
}

// volumes writes out what the API server would fill in, so that a second call
// finds nothing to change.
func volumes(plan Plan, cfg Config) []corev1.Volume {
	list := []corev1.Volume{
		emptyDir(contract.SharedVolume, cfg.SharedSize),
		emptyDir(contract.StateVolume, cfg.StateSize),
		credentials(cfg),
	}
	for _, container := range plan.TmpFor {
		list = append(list, emptyDir(tmpVolumeName(container), cfg.TmpSize))
	}
	return list
}

func emptyDir(name string, limit resource.Quantity) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
		EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: &limit},
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
