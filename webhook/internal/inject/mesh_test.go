package inject

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestMeshAnnotations(t *testing.T) {
	labels := func(pairs ...string) metav1.ObjectMeta {
		meta := metav1.ObjectMeta{Labels: map[string]string{}}
		for i := 0; i < len(pairs); i += 2 {
			meta.Labels[pairs[i]] = pairs[i+1]
		}
		return meta
	}
	annotated := func(key, value string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Annotations: map[string]string{key: value}}
	}
	for name, c := range map[string]struct {
		pod, ns metav1.ObjectMeta
		want    string
	}{
		"no mesh":                  {},
		"Istio by namespace":       {ns: labels("istio-injection", "enabled"), want: "traffic.sidecar.istio.io/excludeOutboundPorts"},
		"Istio by revision":        {ns: labels("istio.io/rev", "canary"), want: "traffic.sidecar.istio.io/excludeOutboundPorts"},
		"Istio by pod":             {pod: labels("sidecar.istio.io/inject", "true"), want: "traffic.sidecar.istio.io/excludeOutboundPorts"},
		"pod stays out of Istio":   {pod: labels("sidecar.istio.io/inject", "false"), ns: labels("istio-injection", "enabled")},
		"Linkerd by namespace":     {ns: annotated("linkerd.io/inject", "enabled"), want: "config.linkerd.io/skip-outbound-ports"},
		"pod stays out of Linkerd": {pod: annotated("linkerd.io/inject", "disabled"), ns: annotated("linkerd.io/inject", "enabled")},
		"Kuma":                     {ns: labels("kuma.io/sidecar-injection", "enabled"), want: "traffic.kuma.io/exclude-outbound-ports"},
		"Consul":                   {pod: annotated("consul.hashicorp.com/connect-inject", "true"), want: "consul.hashicorp.com/transparent-proxy-exclude-outbound-ports"},
	} {
		got := meshAnnotations(&corev1.Pod{ObjectMeta: c.pod}, &Namespace{ObjectMeta: c.ns}, &annotations{}, testConfig())
		if (c.want != "") != (len(got) == 1) || c.want != "" && !slices.Contains(got, c.want) {
			t.Errorf("%s: %v, want %q", name, got, c.want)
		}
	}
}

func TestBackendPort(t *testing.T) {
	for backend, want := range map[string]string{"https://b:8443": "8443", "https://b": "443", "http://b": "80"} {
		if got := backendPort(Config{Backend: backend}); got != want {
			t.Errorf("%s: %s, want %s", backend, got, want)
		}
	}
	for list, want := range map[string]string{"": "8443", "1, 2": "1,2,8443", "8443": "8443", "1,8443": "1,8443"} {
		if got := withPort(list, "8443"); got != want {
			t.Errorf("%q: %q, want %q", list, got, want)
		}
	}
}
