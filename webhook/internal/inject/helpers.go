package inject

import (
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// helperContainers are the containers that meshes, agents and runtimes put
// beside an application. None of them is a JVM.
var helperContainers = []string{
	"istio-proxy", "linkerd-proxy", "kuma-sidecar", "envoy", "envoy-sidecar", "consul-dataplane", "consul-connect-envoy-sidecar", "nginx-mesh-sidecar", "osm-*",
	"daprd", "queue-proxy", "vault-agent", "secrets-store-*", "oauth2-proxy", "kube-rbac-proxy",
	"cloud-sql-proxy", "cloudsql-proxy", "alloydb-auth-proxy", "gke-gcsfuse-*",
	"otc-container", "otel-collector", "otel-agent", "opentelemetry-collector", "jaeger-agent",
	"datadog-agent", "datadog-agent-injected", "dd-agent", "trace-agent", "newrelic-*", "xray-daemon", "cloudwatch-agent", "statsd-exporter", "node-exporter",
	"fluent-bit", "fluentbit", "fluentd", "filebeat", "metricbeat", "promtail", "vector", "telegraf", "logrotate",
	"git-sync", "config-reloader", "tailscale", "minio-client",
}

// helperImages are images of such containers under whatever name: repositories
// by their last components.
var helperImages = []string{
	"argoexec", "istio/proxyv2", "linkerd/proxy", "kumahq/kuma-dp", "envoyproxy/envoy", "hashicorp/consul-dataplane", "daprio/daprd", "dapr/daprd",
	"knative-releases/*/queue", "knative-releases/queue", "serving/cmd/queue", "hashicorp/vault", "cloud-sql-proxy", "gce-proxy", "gcs-fuse-csi-driver-sidecar-mounter",
	"opentelemetry-collector*", "otel/opentelemetry-*", "otel/collector", "jaegertracing/jaeger-agent", "datadog/agent", "datadoghq/agent",
	"fluent/fluent-bit", "aws-for-fluent-bit", "fluent/fluentd", "beats/filebeat", "beats/metricbeat", "elastic/filebeat", "grafana/promtail", "timberio/vector", "library/telegraf",
	"aws-xray-daemon", "cloudwatch-agent", "oauth2-proxy", "git-sync",
}

// isHelper says whether a container is none of the application's, by the name
// of the container or of its image.
func isHelper(c *corev1.Container, cfg Config) bool {
	named := func(pattern string) bool { return matches(pattern, c.Name) }
	repository := imageRepository(c.Image)
	images := func(pattern string) bool {
		return matches(pattern, lastComponents(repository, strings.Count(pattern, "/")+1))
	}
	return slices.ContainsFunc(cfg.IgnoredContainers, named) || slices.ContainsFunc(cfg.IgnoredImages, images)
}

func matches(pattern, name string) bool {
	matched, err := path.Match(pattern, name)
	return err == nil && matched
}

// imageRepository is an image without its tag and digest.
func imageRepository(image string) string {
	name, _, _ := strings.Cut(image, "@")
	directory, last := path.Split(name)
	last, _, _ = strings.Cut(last, ":")
	return directory + last
}

func lastComponents(name string, n int) string {
	parts := strings.Split(name, "/")
	return strings.Join(parts[max(0, len(parts)-n):], "/")
}

// defaultContainer is the annotation by which kubectl, too, knows the
// application's container.
const defaultContainer = "kubectl.kubernetes.io/default-container"

// application is the container that names the service and its version: the
// default container, or the first that is no helper.
func application(pod *corev1.Pod, profiled []*corev1.Container, cfg Config) *corev1.Container {
	for _, is := range []func(*corev1.Container) bool{
		func(c *corev1.Container) bool { return c.Name == pod.Annotations[defaultContainer] },
		func(c *corev1.Container) bool { return !isHelper(c, cfg) },
	} {
		if i := slices.IndexFunc(profiled, is); i >= 0 {
			return profiled[i]
		}
	}
	return profiled[0]
}
