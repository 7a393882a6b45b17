package acceptance

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/tests/cluster/images"
	"github.com/podflame/podflame/tests/cluster/kube"
	"github.com/podflame/podflame/tests/cluster/node"
)

const policyNamespace = "acceptance-policies"

// nodeDNS lets DNS of this node out, which runs on it and not in a pod: the policy
// that manifests/README.md says to put beside ours where DNS is not in kube-system.
const nodeDNS = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: acceptance-dns, namespace: podflame-system}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress: [{to: [{ipBlock: {cidr: ` + node.Address + `/32}}], ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]}]
`

// policiesEnforced has a controller enforce the NetworkPolicies, as this node does
// not by itself, and looks what passes before and after.
func policiesEnforced(s *step) {
	program := shared.buildPolicyController(s)
	shared.applyText(s, fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n", policyNamespace))
	s.Cleanup(func() {
		_ = shared.Client.CoreV1().Namespaces().Delete(context.Background(), policyNamespace, metav1.DeleteOptions{}) // gone as a rule
	})
	stranger, scraper := s.caller("stranger", ""), s.caller("scraper", `profiling.io/scrape: "true"`)
	doors := doorsOf(s)
	for _, door := range doors {
		if reached, said := door.from(s, stranger); !reached {
			s.Errorf("%s is not reached by a stranger although nothing enforces policies: %s", door.name, said)
		}
	}

	defer s.enforcePolicies(program)()
	for _, door := range doors {
		s.until(door.name+", from a stranger: as the policies say", func() (bool, string) {
			reached, said := door.from(s, stranger)
			return reached == door.open, said
		})
		if reached, said := door.from(s, scraper); !reached {
			s.Errorf("%s is closed to a pod that carries the label of scrapers: %s", door.name, said)
		}
		s.measure("%s: open to a stranger: %t; to a scraper: true", door.name, door.open)
	}
	s.measure("DNS on the node, by our policies alone: %t", resolves(s, "backend"))
	shared.applyText(s, nodeDNS)
	s.until("DNS, by the policy beside ours", func() (bool, string) { return resolves(s, "backend"), "none" })
	chainWorks(s, stranger)
}

// chainWorks replaces every connection, and demands all of them again.
func chainWorks(s *step, stranger *corev1.Pod) {
	s.Helper()
	s.nothingMissing(func() { deleteBackend(s) })
	if reached, said := outOf(s, "backend", stranger.Status.PodIP); reached {
		s.Errorf("the backend reaches a stranger's pod: %s", said)
	}
	shared.applyText(s, workload{name: "enforced", namespace: policyNamespace, spec: knownUser + containers(java("app", images.JavaName("17"), "", ready))}.manifest())
	pod := shared.readyPods(s, policyNamespace, "app=enforced", 1)[0]
	if sidecarOf(&pod) == nil {
		s.Errorf("the API server does not reach the webhook: pod %s is not injected", pod.Name)
	}
	s.samplesOf(policyNamespace, "enforced", pod.CreationTimestamp.Time)
	s.until("the backend reads the audit of the webhook", func() (bool, string) {
		var injection struct{ State, Message string }
		err := shared.backend.get(s.ctx, "/api/v1/injection", nil, &injection)
		return err == nil && injection.State == "known", fmt.Sprint(injection, err)
	})
}

// door is a port of ours, and whether every pod may come in.
type door struct {
	name, url string
	open      bool
}

func doorsOf(s *step) []door {
	s.Helper()
	at := func(service, port, path string) string {
		return "http://" + service + "." + systemNamespace + ".svc.cluster.local:" + port + path
	}
	return []door{
		{"the webhook's audit", at("podflame-webhook", "8080", "/audit"), false},
		{"the backend's operations", at("podflame-backend", "8081", "/metrics"), false},
		{"the backend's door of sidecars", at("podflame-backend", "8443", "/"), true},
	}
}

// from asks the door from within a pod. That of sidecars speaks TLS, and says so.
func (d door) from(s *step, pod *corev1.Pod) (reached bool, said string) {
	s.Helper()
	_, _, err := shared.Kubectl(s.ctx, nil, "exec", "--namespace", pod.Namespace, pod.Name, "--", "fetch", d.url)
	if err == nil {
		return true, "200"
	}
	return strings.Contains(err.Error(), "400 Bad Request"), err.Error()
}

// outOf says whether a pod of ours reaches a port of another: ours have no shell,
// so a program of this host asks from within its network.
func outOf(s *step, program, address string) (reached bool, said string) {
	s.Helper()
	output, err := within(s, program, "wget", "-q", "-T", "3", "-O", "-", "http://"+address+"/").CombinedOutput()
	return err == nil, string(output)
}

// resolves says whether a pod of ours reaches the node's DNS.
func resolves(s *step, program string) bool {
	s.Helper()
	return within(s, program, "nslookup", "podflame-webhook."+systemNamespace+".svc.cluster.local", clusterDNS).Run() == nil
}

// clusterDNS is the Service of the node's DNS.
const clusterDNS = "10.96.0.10"

// within is a command of busybox in the network of a pod of ours.
func within(s *step, program string, arguments ...string) *exec.Cmd {
	s.Helper()
	pod := shared.readyPods(s, systemNamespace, "app.kubernetes.io/name=podflame-"+program, 1)[0]
	processes := shared.processes(&pod, program)
	if len(processes) == 0 {
		s.Fatalf("pod %s has no process %s", pod.Name, program)
	}
	return exec.CommandContext(s.ctx, "nsenter", append([]string{"--target", strconv.Itoa(processes[0]), "--net", "busybox"}, arguments...)...)
}

// caller is a pod that answers on port 80 and can ask others.
func (s *step) caller(name, label string) *corev1.Pod {
	s.Helper()
	shared.applyText(s, fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: %s, labels: {app: %s, %s}}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: app, image: %s, command: [sh, -c, "echo hello >/tmp/index.html; httpd -f -p 80 -h /tmp"]}]
`, name, policyNamespace, name, label, images.BusyboxName))
	return &shared.readyPods(s, policyNamespace, "app="+name, 1)[0]
}

// buildPolicyController builds kube-router from its module, once for this machine.
func (l *lab) buildPolicyController(s *step) string {
	s.Helper()
	if _, err := exec.LookPath("ipset"); err != nil {
		s.Fatalf("%v: run `make setup-cluster` as root", err)
	}
	module := filepath.Join(l.root, "tests", "cluster", "policies")
	const name, version = "github.com/cloudnativelabs/kube-router/v2", "v2.1.0"
	program := filepath.Join(l.workshop.Cache, "kube-router-"+version)
	if _, err := os.Stat(program); err == nil {
		return program
	}
	partial := program + ".partial"
	build := exec.CommandContext(s.ctx, "go", "build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w", "-o", partial, name+"/cmd/kube-router")
	build.Dir, build.Env = module, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOWORK=off")
	if output, err := build.CombinedOutput(); err != nil {
		s.Fatalf("build %s: %v: %s", name, err, output)
	}
	s.must(os.Rename(partial, program))
	return program
}

// enforcePolicies starts the controller in the node's network; the function ends it
// and opens what it has closed.
func (s *step) enforcePolicies(program string) (end func()) {
	s.Helper()
	log, err := os.Create(filepath.Join(shared.Directory, "log", "kube-router.log"))
	s.must(err)
	command := shared.node.InNetwork(context.WithoutCancel(s.ctx), program, "--run-firewall", "--run-router=false", "--run-service-proxy=false", "--enable-cni=false",
		"--kubeconfig", filepath.Join(shared.Directory, "pki", "inside.kubeconfig"), "--hostname-override", kube.NodeName,
		"--service-cluster-ip-range", node.Services, "--iptables-sync-period", "30s", "--health-port", "0")
	command.Stdout, command.Stderr = log, log
	s.must(command.Start())
	return func() {
		if s.Failed() {
			content, _ := os.ReadFile(log.Name())
			s.Logf("the end of kube-router's log: %s", content[max(0, len(content)-4000):])
		}
		_ = command.Process.Kill() // it may have ended
		_ = command.Wait()
		log.Close()
		// Its rules outlive it; nothing else of this node has any in this table.
		output, err := shared.node.InNetwork(context.WithoutCancel(s.ctx), "sh", "-c", "iptables -F && iptables -X && ipset destroy").CombinedOutput()
		if err != nil {
			s.Errorf("take the rules away: %v: %s", err, output)
		}
	}
}
