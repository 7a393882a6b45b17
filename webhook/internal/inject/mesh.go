package inject

import (
	"net/url"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// mesh is a service mesh that redirects what a pod sends to a proxy in it. The
// sidecar's uploads then fail before the proxy is ready and, where the proxy is
// an ordinary container, after it has ended: the last windows are lost. The
// annotation leaves ports alone, if it is there before the mesh's own webhook.
type mesh struct {
	name       string
	annotation string // list of ports
	proxy      string // name of the container
	wanted     func(pod *corev1.Pod, ns *Namespace) bool
}

var meshes = []mesh{
	{"Istio", "traffic.sidecar.istio.io/excludeOutboundPorts", "istio-proxy", wantsIstio},
	{"Linkerd", "config.linkerd.io/skip-outbound-ports", "linkerd-proxy", func(pod *corev1.Pod, ns *Namespace) bool {
		return slices.Contains([]string{"enabled", "ingress"}, firstNonEmpty(pod.Annotations["linkerd.io/inject"], ns.Annotations["linkerd.io/inject"]))
	}},
	{"Kuma", "traffic.kuma.io/exclude-outbound-ports", "kuma-sidecar", func(pod *corev1.Pod, ns *Namespace) bool {
		return firstNonEmpty(pod.Labels["kuma.io/sidecar-injection"], ns.Labels["kuma.io/sidecar-injection"]) == "enabled"
	}},
	{"Consul", "consul.hashicorp.com/transparent-proxy-exclude-outbound-ports", "consul-dataplane", func(pod *corev1.Pod, _ *Namespace) bool {
		return pod.Annotations["consul.hashicorp.com/connect-inject"] == "true"
	}},
}

func wantsIstio(pod *corev1.Pod, ns *Namespace) bool {
	switch pod.Labels["sidecar.istio.io/inject"] {
	case "true":
		return true
	case "false":
		return false
	}
	return ns.Labels["istio-injection"] == "enabled" || ns.Labels["istio.io/rev"] != "" || pod.Labels["istio.io/rev"] != ""
}

// meshAnnotations are those to which the port of the backend is added: of meshes
// that have yet to come to the pod. Where the proxy is there already, it is too
// late, and a warning says so.
func meshAnnotations(pod *corev1.Pod, ns *Namespace, asked *annotations, cfg Config) []string {
	if ns == nil {
		ns = &Namespace{}
	}
	port := backendPort(cfg)
	var keys []string
	for _, m := range meshes {
		switch {
		case indexOf(pod.Spec.InitContainers, m.proxy) >= 0:
			// A native proxy is there before the sidecar and ends after it.
		case indexOf(pod.Spec.Containers, m.proxy) >= 0:
			if !slices.Contains(ports(pod.Annotations[m.annotation]), port) {
				asked.warn(MeshCaptures, m.name+", "+m.annotation+": \""+port+"\"")
			}
		case m.wanted(pod, ns):
			keys = append(keys, m.annotation)
		}
	}
	return keys
}

func ports(list string) []string {
	var found []string
	for port := range strings.SplitSeq(list, ",") {
		if port = strings.TrimSpace(port); port != "" {
			found = append(found, port)
		}
	}
	return found
}

// withPort adds a port to a list that lacks it.
func withPort(list, port string) string {
	have := ports(list)
	if slices.Contains(have, port) {
		return list
	}
	return strings.Join(append(have, port), ",")
}

// backendPort is where sidecars upload to.
func backendPort(cfg Config) string {
	backend, err := url.Parse(cfg.Backend)
	switch {
	case err == nil && backend.Port() != "":
		return backend.Port()
	case err == nil && backend.Scheme == "http":
		return "80"
	}
	return "443"
}
