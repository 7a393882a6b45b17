package inject

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const unnamed = "unnamed"

// What others say of a pod, by the conventions of OpenTelemetry and Kubernetes.
const (
	otelService    = "resource.opentelemetry.io/service.name"
	otelVersion    = "resource.opentelemetry.io/service.version"
	otelNameEnv    = "OTEL_SERVICE_NAME"
	otelAttributes = "OTEL_RESOURCE_ATTRIBUTES" // key=value pairs, comma-separated, values percent-encoded
	instanceLabel  = "app.kubernetes.io/instance"
	nameLabel      = "app.kubernetes.io/name"
	versionLabel   = "app.kubernetes.io/version"
	appLabel       = "app"
)

// serviceName takes the first that there is of: our annotation, what
// OpenTelemetry is told, the workload, the release and name of a chart, the
// label app, the pod.
func serviceName(pod *corev1.Pod, application *corev1.Container, asked *annotations) string {
	candidates := []string{
		asked.service,
		pod.Annotations[otelService], variable(application, otelNameEnv), resourceAttribute(application, "service.name"),
		workloadName(pod), releaseName(pod.Labels[instanceLabel], pod.Labels[nameLabel]), pod.Labels[appLabel],
		strings.TrimRight(pod.GenerateName, "-."), pod.Name,
	}
	for _, name := range candidates {
		if len(name) > maxName {
			name = strings.TrimRight(name[:maxName], "-._")
		}
		if nameSyntax.MatchString(name) {
			return name
		}
	}
	return unnamed
}

// ServiceName is what a pod would be called if all its containers were profiled:
// an answer also for a pod that is not injected.
func ServiceName(pod *corev1.Pod, ns *Namespace, cfg Config) string {
	containers := make([]*corev1.Container, len(pod.Spec.Containers))
	for i := range containers {
		containers[i] = &pod.Spec.Containers[i]
	}
	return serviceName(pod, application(pod, containers, cfg), readAnnotations(pod, ns, cfg))
}

// releaseName follows Helm: a release whose name holds the chart's is named
// after the release alone.
func releaseName(instance, name string) string {
	switch {
	case instance == "":
		return name
	case strings.Contains(instance, name):
		return instance
	}
	return instance + "-" + name
}

// workloadName is the name that the pod's workload keeps over its revisions
// and runs.
func workloadName(pod *corev1.Pod) string {
	if name := pod.Labels["serving.knative.dev/service"]; name != "" {
		return name
	}
	if pod.Labels["spark-role"] != "" {
		return sparkName(pod)
	}
	owner := metav1.GetControllerOfNoCopy(pod)
	if owner == nil {
		return ""
	}
	switch owner.Kind {
	case "ReplicaSet":
		return replicaSetName(owner.Name, pod)
	case "ReplicationController":
		return firstNonEmpty(pod.Annotations["openshift.io/deployment-config.name"], owner.Name)
	case "Job", "Workflow":
		return withoutRun(owner.Name)
	}
	return owner.Name
}

// replicaHash is a pod-template-hash: Kubernetes writes them without vowels,
// and without digits that look like letters.
var replicaHash = regexp.MustCompile(`-[bcdfghjklmnpqrstvwxz2456789]{5,10}$`)

func replicaSetName(name string, pod *corev1.Pod) string {
	for _, key := range []string{"pod-template-hash", "rollouts-pod-template-hash"} {
		if hash := pod.Labels[key]; hash != "" {
			if workload, ok := strings.CutSuffix(name, "-"+hash); ok {
				return workload
			}
		}
	}
	return replicaHash.ReplaceAllString(name, "")
}

var (
	// runSuffix ends the name of one run of many: five characters for
	// generateName, or a time (minutes of a CronJob, seconds of a CronWorkflow,
	// nanoseconds of a ScheduledSparkApplication, a date).
	runSuffix = regexp.MustCompile(`-(\d{8,19}|[bcdfghjklmnpqrstvwxz2456789]{5})$`)
	// sparkID is what Spark puts between the name of an application and the role.
	sparkID = regexp.MustCompile(`-[0-9a-f]{8,32}$`)
)

// notGenerated are endings that people write and generateName could have made.
var notGenerated = []string{"-grpcs", "-https", "-ldaps", "-mssql", "-pgsql", "-sftps", "-smtps"}

func withoutRun(name string) string {
	suffix := runSuffix.FindString(name)
	if slices.Contains(notGenerated, suffix) {
		return name
	}
	return strings.TrimSuffix(name, suffix)
}

// sparkName is the same for the driver and the executors of an application:
// executors are owned by the driver's pod, whose own name is the application's
// and an identifier.
func sparkName(pod *corev1.Pod) string {
	if name := firstNonEmpty(pod.Labels["sparkoperator.k8s.io/app-name"], pod.Labels["spark-app-name"]); name != "" {
		return withoutRun(name)
	}
	name := pod.Name
	if owner := metav1.GetControllerOfNoCopy(pod); owner != nil {
		name = owner.Name
	}
	name = strings.TrimSuffix(name, "-driver")
	return withoutRun(sparkID.ReplaceAllString(name, ""))
}

// versionName takes the first that there is of: our annotation, what
// OpenTelemetry is told, the label app.kubernetes.io/version, the tag of the
// application's image; empty if none says anything.
func versionName(pod *corev1.Pod, application *corev1.Container, asked *annotations) string {
	for _, name := range []string{
		asked.version, pod.Annotations[otelVersion], resourceAttribute(application, "service.version"),
		pod.Labels[versionLabel], imageVersion(application.Image),
	} {
		if len(name) <= maxName && nameSyntax.MatchString(name) {
			return name
		}
	}
	return ""
}

const digestShown = len("sha256:") + 12

// imageVersion is the tag of an image, or the beginning of its digest. The tag
// latest is none.
func imageVersion(image string) string {
	name, digest, _ := strings.Cut(image, "@")
	_, tag, _ := strings.Cut(name[strings.LastIndexByte(name, '/')+1:], ":")
	if tag != "" && tag != "latest" {
		return tag
	}
	return digest[:min(len(digest), digestShown)]
}

// variable is the value of an environment variable where the manifest says it
// outright.
func variable(c *corev1.Container, name string) string {
	for i := range c.Env {
		if c.Env[i].Name == name {
			return c.Env[i].Value
		}
	}
	return ""
}

func resourceAttribute(c *corev1.Container, key string) string {
	for pair := range strings.SplitSeq(variable(c, otelAttributes), ",") {
		name, value, _ := strings.Cut(pair, "=")
		if strings.TrimSpace(name) != key {
			continue
		}
		if decoded, err := url.PathUnescape(strings.TrimSpace(value)); err == nil {
			return decoded
		}
	}
	return ""
}

func firstNonEmpty(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
