package acceptance

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/tests/cluster/furnish"
)

func install(t *testing.T) {
	const group = "Install"
	applied := time.Now()
	require(t, 8*time.Minute, group, "the README's commands install Podflame and the demo", func(s *step) {
		for _, command := range readmeCommands(s) {
			shared.shell(s, command)
		}
		s.measure("%.1f s from the first command to the last's end", time.Since(applied).Seconds())
	})
	claim(t, group, "the webhook has issued its certificates", func(s *step) {
		configuration, err := shared.Client.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(s.ctx, "podflame", metav1.GetOptions{})
		s.must(err)
		for _, webhook := range configuration.Webhooks {
			if len(webhook.ClientConfig.CABundle) == 0 {
				s.Errorf("webhook %s has no CA bundle", webhook.Name)
			}
		}
		_, err = shared.Client.CoreV1().Secrets(systemNamespace).Get(s.ctx, "podflame-backend-tls", metav1.GetOptions{})
		s.must(err)
	})
	injected := require(t, stepLimit, group, "every pod of the demo is injected, on a cluster that was empty", func(s *step) {
		pods := shared.readyPods(s, demoNamespace, "app.kubernetes.io/name=demo", 2)
		for _, pod := range pods {
			if sidecarOf(&pod) == nil {
				s.Errorf("pod %s runs without the sidecar; status %q", pod.Name, pod.Annotations[contract.Status])
			}
		}
	})
	if !injected {
		return // nothing will come
	}
	claim(t, group, "the demo's flame graph is right", func(s *step) {
		s.shares(demoNamespace, "demo", "cpu", "Demo.price", "Demo.discount", loosely)
		s.measure("%.1f s from the first command to a graph of %d samples", time.Since(applied).Seconds(), loosely)
	})
}

func (l *lab) scaleDemo(t *testing.T, replicas int) {
	t.Helper()
	if _, _, err := l.Kubectl(t.Context(), nil, "--namespace", demoNamespace, "scale", "deployment/demo", fmt.Sprintf("--replicas=%d", replicas)); err != nil {
		t.Error(err)
	}
}

func (l *lab) localVolume() string { return filepath.Join(l.root, "manifests", "local-volume.yaml") }

// volumePath is where this host sees the volume of a node of ours.
func (l *lab) volumePath() string { return l.node.Path(furnish.Volume) }

var codeBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// readmeCommands are the lines of the README's shell blocks that install: those
// of kubectl in the section on Kubernetes, word by word.
func readmeCommands(s *step) []string {
	text, err := os.ReadFile(filepath.Join(shared.root, "README.md"))
	s.must(err)
	_, section, ok := strings.Cut(string(text), "## Use it on Kubernetes\n")
	if !ok {
		s.Fatalf("README.md has no section on Kubernetes")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var commands []string
	for _, block := range codeBlock.FindAllStringSubmatch(section, -1) {
		for line := range strings.Lines(block[1]) {
			if strings.HasPrefix(line, "kubectl ") {
				commands = append(commands, strings.TrimSpace(line))
			}
		}
	}
	if len(commands) < 2 {
		s.Fatalf("README.md names %d commands of kubectl to install with", len(commands))
	}
	return commands
}

// shell runs a command as a person would, and puts its time into the report.
func (l *lab) shell(s *step, line string) {
	s.Helper()
	started := time.Now()
	if output, err := l.tryShell(s, line); err != nil {
		s.Fatalf("%s: %v: %s\n%s", line, err, output, l.troubles(s))
	}
	// The report is committed: it names no folder of this host.
	told := strings.NewReplacer(l.root+"/", "", l.workshop.Folder+"/", "").Replace(line)
	s.measure("`%s`: %.1f s", told, time.Since(started).Seconds())
}

// tryShell runs a command at the root of the checkout, with kubectl at hand, and
// returns what it prints.
func (l *lab) tryShell(s *step, line string) (string, error) {
	s.Helper()
	path, err := l.KubectlPath()
	s.must(err)
	command := exec.CommandContext(s.ctx, "bash", "-euo", "pipefail", "-c", line)
	command.Dir = l.root
	command.Env = append(os.Environ(), "PATH="+filepath.Dir(path)+":"+os.Getenv("PATH"), "HOME="+l.Directory, "KUBECONFIG="+l.Kubeconfig)
	output, err := command.CombinedOutput()
	return string(output), err
}

// troubles are the warnings of the cluster's Events, the last first.
func (l *lab) troubles(s *step) string {
	out, _, err := l.Kubectl(s.ctx, nil, "get", "events", "--all-namespaces", "--field-selector", "type=Warning",
		"--sort-by", ".lastTimestamp", "-o", "custom-columns=N:.metadata.namespace,O:.involvedObject.name,R:.reason,M:.message", "--no-headers")
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return strings.Join(lines[max(0, len(lines)-8):], "\n")
}

// readyPods waits until a selector finds so many pods and all are ready.
func (l *lab) readyPods(s *step, namespace, selector string, count int) (pods []corev1.Pod) {
	s.Helper()
	s.until(fmt.Sprintf("%d ready pods with %s in %s", count, selector, namespace), func() (bool, string) {
		list, err := l.Client.CoreV1().Pods(namespace).List(s.ctx, metav1.ListOptions{LabelSelector: selector})
		if err != nil {
			return false, err.Error()
		}
		pods = list.Items
		var seen []string
		ready := 0
		for i := range pods {
			if isReady(&pods[i]) {
				ready++
			}
			seen = append(seen, pods[i].Name+": "+trouble(&pods[i]))
		}
		return ready == count && len(pods) == count, strings.Join(seen, "; ")
	})
	return pods
}

func isReady(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// trouble says in which state a pod's containers are.
func trouble(pod *corev1.Pod) string {
	states := map[string]corev1.ContainerState{}
	for _, status := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		states[fmt.Sprintf("%s (ready %t, %d restarts)", status.Name, status.Ready, status.RestartCount)] = status.State
	}
	text, err := json.Marshal(states)
	if err != nil {
		return err.Error()
	}
	return string(pod.Status.Phase) + " " + string(text)
}

func sidecarOf(pod *corev1.Pod) *corev1.Container {
	for i := range pod.Spec.InitContainers {
		if pod.Spec.InitContainers[i].Name == contract.ContainerName {
			return &pod.Spec.InitContainers[i]
		}
	}
	return nil
}
