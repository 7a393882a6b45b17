package audit

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Door is where sidecars upload to: a port of pods in a namespace of the cluster.
type Door struct {
	Namespace string
	Port      int32
}

// DoorOf reads the URL of the backend. It is false for one that is no Service of
// the cluster: which policies let pods reach that, nobody can tell.
func DoorOf(backend string) (Door, bool) {
	parsed, err := url.Parse(backend)
	if err != nil {
		return Door{}, false
	}
	parts := strings.Split(parsed.Hostname(), ".")
	if len(parts) < 3 || parts[2] != "svc" {
		return Door{}, false
	}
	text := parsed.Port()
	if text == "" {
		text = "443"
	}
	port, err := strconv.ParseInt(text, 10, 32)
	return Door{Namespace: parts[1], Port: int32(port)}, err == nil
}

// ReachedFrom says whether policies of a pod's namespace let it reach the door,
// as far as rules name namespaces by the label that all of them have. A rule by
// addresses or by a port's name is believed. DNS, which the upload needs besides, is
// not looked for: where it answers on the pod's own node, no rule has to name it.
func (d Door) ReachedFrom(pod *corev1.Pod, policies []networkingv1.NetworkPolicy) bool {
	limited := false
	for i := range policies {
		policy := &policies[i]
		if policy.Namespace != pod.Namespace || !slices.Contains(policy.Spec.PolicyTypes, networkingv1.PolicyTypeEgress) || !selects(&policy.Spec.PodSelector, pod.Labels) {
			continue
		}
		limited = true
		for _, rule := range policy.Spec.Egress {
			if d.portIn(rule.Ports) && d.namespaceIn(rule.To) {
				return true
			}
		}
	}
	return !limited
}

func (d Door) namespaceIn(peers []networkingv1.NetworkPolicyPeer) bool {
	return len(peers) == 0 || slices.ContainsFunc(peers, func(p networkingv1.NetworkPolicyPeer) bool {
		return p.IPBlock != nil || p.NamespaceSelector != nil && selects(p.NamespaceSelector, map[string]string{corev1.LabelMetadataName: d.Namespace})
	})
}

func (d Door) portIn(ports []networkingv1.NetworkPolicyPort) bool {
	return len(ports) == 0 || slices.ContainsFunc(ports, func(p networkingv1.NetworkPolicyPort) bool {
		if p.Protocol != nil && *p.Protocol != corev1.ProtocolTCP {
			return false
		}
		if p.Port == nil || p.Port.Type == intstr.String {
			return true
		}
		last := p.Port.IntVal
		if p.EndPort != nil {
			last = *p.EndPort
		}
		return p.Port.IntVal <= d.Port && d.Port <= last
	})
}

func selects(selector *metav1.LabelSelector, of map[string]string) bool {
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && parsed.Matches(labels.Set(of))
}

// policies are those of each namespace that limit what pods may reach; none if
// the backend is not in the cluster.
func (a *Auditor) policies(ctx context.Context) (map[string][]networkingv1.NetworkPolicy, error) {
	if !a.inCluster {
		return nil, nil
	}
	var list networkingv1.NetworkPolicyList
	if err := a.options.Cache.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list network policies in cache: %w", err)
	}
	byNamespace := map[string][]networkingv1.NetworkPolicy{}
	for _, policy := range list.Items {
		byNamespace[policy.Namespace] = append(byNamespace[policy.Namespace], policy)
	}
	return byNamespace, nil
}
