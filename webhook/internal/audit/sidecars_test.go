package audit

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podflame/podflame/webhook/internal/inject"
)

// policyOf limits what pods with the label app=cut may reach.
func policyOf(namespace string, rules ...networkingv1.NetworkPolicyEgressRule) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "limits"},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": "cut"}},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress},
			Egress:      rules,
		},
	}
}

func toNamespace(name string) []networkingv1.NetworkPolicyPeer {
	return []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: name}}}}
}

func toPort(port intstr.IntOrString, changes ...func(*networkingv1.NetworkPolicyPort)) []networkingv1.NetworkPolicyPort {
	made := networkingv1.NetworkPolicyPort{Port: &port}
	for _, change := range changes {
		change(&made)
	}
	return []networkingv1.NetworkPolicyPort{made}
}

func TestWhichPoliciesLetPodsUpload(t *testing.T) {
	door, ok := DoorOf("https://podflame-backend.podflame-system.svc:8443")
	if !ok || door != (Door{"podflame-system", 8443}) {
		t.Fatalf("door %+v, %v", door, ok)
	}
	udp := func(p *networkingv1.NetworkPolicyPort) { p.Protocol = new(corev1.ProtocolUDP) }
	upTo := func(last int32) func(*networkingv1.NetworkPolicyPort) {
		return func(p *networkingv1.NetworkPolicyPort) { p.EndPort = &last }
	}
	ours, number := toNamespace("podflame-system"), intstr.FromInt32
	for what, c := range map[string]struct {
		rules []networkingv1.NetworkPolicyEgressRule
		want  bool
	}{
		"nothing":         {nil, false},
		"everything":      {[]networkingv1.NetworkPolicyEgressRule{{}}, true},
		"the README's":    {[]networkingv1.NetworkPolicyEgressRule{{To: ours, Ports: toPort(number(8443))}}, true},
		"another port":    {[]networkingv1.NetworkPolicyEgressRule{{To: ours, Ports: toPort(number(443))}}, false},
		"a range":         {[]networkingv1.NetworkPolicyEgressRule{{To: ours, Ports: toPort(number(8000), upTo(9000))}}, true},
		"a range below":   {[]networkingv1.NetworkPolicyEgressRule{{To: ours, Ports: toPort(number(8000), upTo(8442))}}, false},
		"UDP":             {[]networkingv1.NetworkPolicyEgressRule{{To: ours, Ports: toPort(number(8443), udp)}}, false},
		"a port by name":  {[]networkingv1.NetworkPolicyEgressRule{{To: ours, Ports: toPort(intstr.FromString("https"))}}, true},
		"elsewhere":       {[]networkingv1.NetworkPolicyEgressRule{{To: toNamespace("other")}}, false},
		"an address":      {[]networkingv1.NetworkPolicyEgressRule{{To: []networkingv1.NetworkPolicyPeer{{IPBlock: &networkingv1.IPBlock{CIDR: "10.0.0.0/8"}}}}}, true},
		"pods of its own": {[]networkingv1.NetworkPolicyEgressRule{{To: []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{}}}}}, false},
		"the second rule": {[]networkingv1.NetworkPolicyEgressRule{{To: toNamespace("other")}, {To: ours}}, true},
	} {
		pod := podOf("n", "p", "true", func(p *corev1.Pod) { p.Labels = map[string]string{"app": "cut"} })
		if got := door.ReachedFrom(pod, []networkingv1.NetworkPolicy{*policyOf("n", c.rules...)}); got != c.want {
			t.Errorf("%s: reached %v", what, got)
		}
		for _, free := range []*corev1.Pod{podOf("n", "p", "true"), podOf("m", "p", "true", func(p *corev1.Pod) { p.Labels = pod.Labels })} {
			if !door.ReachedFrom(free, []networkingv1.NetworkPolicy{*policyOf("n", c.rules...)}) {
				t.Errorf("%s: a pod that is not selected is cut off", what)
			}
		}
	}
	for backend, want := range map[string]Door{
		"https://b.ns.svc.cluster.local": {"ns", 443}, "https://profiles.example.com:8443": {}, "https://10.1.2.3": {}, "::": {},
	} {
		if got, ok := DoorOf(backend); got != want || ok != (want != Door{}) {
			t.Errorf("%s: door %+v, %v", backend, got, ok)
		}
	}
}

// withImage is a pod whose sidecar is of another image; cut one that a policy
// may select.
func withImage(image string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		for i := range pod.Spec.InitContainers {
			pod.Spec.InitContainers[i].Image = image
		}
	}
}

func cut(pod *corev1.Pod) { pod.Labels = map[string]string{"app": "cut"} }

func TestSidecarsInTrouble(t *testing.T) {
	with := func(pod *corev1.Pod, changes ...func(*corev1.Pod)) *corev1.Pod {
		for _, change := range changes {
			change(pod)
		}
		return pod
	}
	f := newFixture(t, true,
		namespaceOf("n", nil), policyOf("n"),
		injected(t, podOf("n", "fine", "true")),
		injected(t, podOf("n", "cut-off", "true", cut)),
		with(injected(t, podOf("n", "old", "true")), withImage("registry.example/sidecar:0")),
		with(injected(t, podOf("n", "old-and-cut-off", "true", cut)), withImage("registry.example/sidecar:0")),
		with(injected(t, podOf("n", "waits", "true", cut)), waits("ErrImagePull")),
		podOf("n", "missed", "true", cut, func(pod *corev1.Pod) { pod.OwnerReferences[0].Name = "shop" }),
	)
	f.options.Inject.Backend = "https://podflame-backend.podflame-system.svc:8443"
	f.door, f.inCluster = DoorOf(f.options.Inject.Backend)
	f.mustRound(t)
	_, page, _ := f.get(t, "")
	got := map[string]string{}
	for _, finding := range page.Findings {
		got[finding.Pod] = string(finding.Reason) + " of " + finding.Service
		if finding.Text == "" || finding.Remedy == "" {
			t.Errorf("incomplete: %+v", finding)
		}
	}
	want := map[string]string{
		"cut-off": "egress_denied of rs", "old-and-cut-off": "egress_denied of rs", "old": "sidecar_outdated of rs",
		"waits": "image_unpullable of rs", "missed": "missed_by_webhook of shop",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if page.WithSidecar != 5 || page.Missing != 1 || page.Waiting != 1 || page.EgressDenied != 2 || page.Outdated != 1 || page.Image != config(t).Image || page.Unexamined != 0 {
		t.Errorf("counts: %+v", page)
	}
	if m := f.options.Metrics; testutil.ToFloat64(m.egress) != 2 || testutil.ToFloat64(m.outdated) != 1 || testutil.ToFloat64(m.waiting) != 1 {
		t.Error("the gauges say something else")
	}
	if told := strings.Join(f.told.made, "\n"); len(f.told.made) != 4 || strings.Contains(told, string(inject.SidecarOutdated)) {
		t.Errorf("announced:\n%s", told)
	}
}

// TestTheWorstComeFirst: where there is no room for all, those that are
// profiled nevertheless are left out.
func TestTheWorstComeFirst(t *testing.T) {
	objects := []client.Object{namespaceOf("n", nil), podOf("n", "z-missed", "true")}
	for i := range 5 {
		old := injected(t, podOf("n", fmt.Sprint("a-old-", i), "true"))
		withImage("registry.example/sidecar:0")(old)
		objects = append(objects, old)
	}
	waiting := injected(t, podOf("n", "z-waits", "true"))
	waits("ErrImagePull")(waiting)
	f := newFixture(t, true, append(objects, waiting)...)
	f.options.Max = 3
	f.mustRound(t)
	_, page, _ := f.get(t, "")
	var names []string
	for _, finding := range page.Findings {
		names = append(names, finding.Pod)
	}
	if diff := cmp.Diff([]string{"a-old-0", "z-missed", "z-waits"}, names); diff != "" || page.Outdated != 5 || page.Unexamined != 0 {
		t.Errorf("outdated %d, unexamined %d, findings (-want +got):\n%s", page.Outdated, page.Unexamined, diff)
	}
}
