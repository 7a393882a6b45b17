package acceptance

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/tests/cluster/images"
)

// terminal is what a person does at one: kubectl finds our client as a plugin, and
// that finds the backend through kubectl.
func terminal(t *testing.T) {
	const group = "Terminal"
	shared.skipWithoutImages(t, group)
	asked := workload{name: "asked", namespace: annotatedNamespace, spec: knownUser + containers(java("app", images.JavaName("17"), busy, ready))}
	leftOut := workload{name: "left-out", namespace: labelledNamespace, annotations: contract.Enabled + `: "false"`,
		spec: knownUser + "containers: [{name: app, image: " + images.BusyboxName + ", command: [sleep, \"86400\"]}]\n"}
	if !require(t, stepLimit, group, "a service to ask for is profiled", func(s *step) {
		shared.makeNamespaces(s)
		shared.applyText(s, asked.manifest())
		shared.applyText(s, leftOut.manifest())
		pod := shared.readyPods(s, asked.namespace, "app=asked", 1)[0]
		shared.readyPods(s, leftOut.namespace, "app=left-out", 1)
		s.warm = pod.Status.StartTime.Add(warmUpOfPod)
		s.shares(asked.namespace, asked.name, "cpu", known["cpu"][0], known["cpu"][1], loosely)
	}) {
		return
	}
	defer func() { // its load is not for what comes next
		if _, _, err := shared.Kubectl(t.Context(), nil, "delete", "--namespace", asked.namespace, "--wait=false", asked.resource(), asked.name); err != nil {
			t.Error(err)
		}
	}()
	claim(t, group, "kubectl podflame top names the heaviest function of a Deployment", func(s *step) {
		var got top
		s.must(json.Unmarshal([]byte(shared.plugin(s, "top", "deploy/asked", "-n", annotatedNamespace, "--since", "1h", "-o", "json", "2>/dev/null")), &got))
		// By what functions spend themselves: price and discount leave it to spin.
		if len(got.Functions) == 0 || got.Functions[0].Name != "Work.spin" {
			s.Fatalf("the functions are %+v", got.Functions)
		}
		s.ledgerAddsUp("asked cpu", got)
		s.measure("%s", strings.SplitN(shared.plugin(s, "top", "deploy/asked", "-n", annotatedNamespace, "--since", "1h", "--limit", "3"), "\n", 2)[0])
	})
	claim(t, group, "kubectl podflame capture makes a running pod record wall samples, without a restart", captureWall)
	claimWithin(t, 8*time.Minute, group, "a ConfigMap stops profiling and lets it go on, and no pod is restarted", pauses)
	claim(t, group, "a capture of a pod without a sidecar is refused, with the reason", func(s *step) {
		output, err := shared.tryPlugin(s, "capture", "deploy/left-out", "-n", labelledNamespace, "--for", "30s")
		if err == nil || !strings.Contains(output, "has no sidecar") || !strings.Contains(output, "opted_out") {
			s.Errorf("%v: %s", err, output)
		}
	})
	claim(t, group, "webhook check finds nothing wrong with the installation, and explains a pod", func(s *step) {
		webhook := filepath.Join(shared.root, "build", "webhook")
		output, err := shared.tryShell(s, webhook+" check --color never")
		if err != nil {
			s.Errorf("%v: %s", err, output)
		}
		s.measure("%s", strings.Join(strings.Fields(output), " "))
		output, err = shared.tryShell(s, webhook+" check --color never -n "+labelledNamespace+" pod/"+shared.readyPods(s, labelledNamespace, "app=left-out", 1)[0].Name)
		if err == nil || !strings.Contains(output, "opted_out") {
			s.Errorf("a pod that opts out: %v: %s", err, output)
		}
	})
}

// captureWall waits for the kubelet, which brings an annotation into a running
// pod within a minute or so, and for the end of the window.
func captureWall(s *step) {
	pod := shared.readyPods(s, annotatedNamespace, "app=asked", 1)[0]
	begin := time.Now()
	shared.plugin(s, "capture", "deploy/asked", "-n", annotatedNamespace, "--for", "5m", "--events", "cpu,wall")
	s.until("wall samples of asked", func() (bool, string) {
		var got top
		err := shared.backend.get(s.ctx, "/api/v1/top", scopeSince(annotatedNamespace, "asked", "wall", begin), &got)
		return err == nil && got.Total.Count > 0, fmt.Sprintf("%+v %v; targets: %s", got.Total, err, shared.targetsText(s, annotatedNamespace))
	})
	s.measure("wall samples %.0f s after the command", time.Since(begin).Seconds())
	goesOn(s, &pod)
}

// pauses waits for the kubelet, which shows a ConfigMap to the backend within a minute
// or two, also one that was not there when the backend's pod began.
func pauses(s *step) {
	pod := shared.readyPods(s, annotatedNamespace, "app=asked", 1)[0]
	const why = "incident 7"
	turns := func(command, state, detail string) {
		s.Helper()
		begin := time.Now()
		shared.shell(s, command)
		want := fmt.Sprintf("%s/app %s", pod.Name, state)
		s.until(want, func() (bool, string) {
			text := shared.targetsText(s, annotatedNamespace)
			return strings.Contains(text, want) && strings.Contains(text, detail), text
		})
		s.measure("%s %.0f s after the command", state, time.Since(begin).Seconds())
	}
	turns("kubectl -n podflame-system create configmap podflame-paused --from-literal=paused='*/"+annotatedNamespace+"/asked  "+why+"'", "skipped paused", why)
	turns("kubectl -n podflame-system delete configmap podflame-paused", "profiled", "")
	goesOn(s, &pod)
}

// goesOn demands that the pod of the service that is asked for is as it was.
func goesOn(s *step, pod *corev1.Pod) {
	s.Helper()
	now := shared.readyPods(s, annotatedNamespace, "app=asked", 1)[0]
	if now.UID != pod.UID || !maps.Equal(restartsOf(&now), restartsOf(pod)) {
		s.Errorf("pod %s has restarts %v, then pod %s %v", pod.Name, restartsOf(pod), now.Name, restartsOf(&now))
	}
}

// plugin runs "kubectl podflame" and returns what it prints.
func (l *lab) plugin(s *step, arguments ...string) string {
	s.Helper()
	output, err := l.tryPlugin(s, arguments...)
	if err != nil {
		s.Fatalf("kubectl podflame %s: %v: %s", strings.Join(arguments, " "), err, output)
	}
	return output
}

func (l *lab) tryPlugin(s *step, arguments ...string) (string, error) {
	s.Helper()
	path, err := l.KubectlPath()
	s.must(err)
	plugin := filepath.Join(filepath.Dir(path), "kubectl-podflame")
	if _, err := os.Lstat(plugin); err != nil {
		s.must(os.Symlink(filepath.Join(l.root, "build", "podflame"), plugin))
	}
	return l.tryShell(s, "kubectl podflame "+strings.Join(arguments, " "))
}
