package acceptance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/tests/cluster/images"
)

// Namespaces of the workloads, by how they opt in and what they enforce.
const (
	annotatedNamespace  = "acceptance-annotated"  // enforces nothing
	labelledNamespace   = "acceptance-labelled"   // opts in as a whole
	baselineNamespace   = "acceptance-baseline"   // enforces Pod Security baseline
	restrictedNamespace = "acceptance-restricted" // enforces Pod Security restricted
)

// workload is a pod that somebody has, and what must become of it.
type workload struct {
	name, claim string
	namespace   string
	kind        string // Deployment unless given
	spec        string // of the pod, in YAML
	annotations string // besides the one that opts in
	defaults    bool   // it asks for no window and no interval
	samples     int64  // how many CPU samples its shares are judged by; 0: it is not profiled
	reason      string // why it is not injected, as its status says; empty where it is
	check       func(s *step, pod *corev1.Pod)
}

// Parts of pod specs.
const (
	knownUser = "securityContext: {runAsNonRoot: true, runAsUser: 10001, runAsGroup: 10001}\n"
	someUser  = "securityContext: {}\n"
	hardened  = "securityContext: {runAsNonRoot: true, runAsUser: 10001, runAsGroup: 10001, seccompProfile: {type: RuntimeDefault}}\n"
	tight     = "  securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}\n"
)

// java is a container that runs the workload, loaded lightly unless LOAD says
// otherwise.
func java(name, image string, environment string, more ...string) string {
	return fmt.Sprintf("- name: %s\n  image: %s\n  imagePullPolicy: IfNotPresent\n  env: [%s]\n  resources: {requests: {cpu: 10m, memory: 64Mi}, limits: {cpu: 500m, memory: 256Mi}}\n%s",
		name, image, environment, strings.Join(more, ""))
}

const (
	ready = "  readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1, timeoutSeconds: 5}\n"
	busy  = "{name: LOAD, value: \"2000\"}"
)

func containers(of ...string) string { return "containers:\n" + strings.Join(of, "") }

// strictly and loosely are how many samples the shares are judged by: with 400
// a share strays by a tenth once in a thousand runs or so.
const strictly, loosely = 2000, 400

func allWorkloads() []workload {
	java17 := images.JavaName("17")
	var all []workload
	for _, version := range images.JavaVersions() {
		all = append(all, workload{
			name: "java" + version, claim: "Java " + version + " as a known user that is not root: CPU, allocations and lock waits", namespace: annotatedNamespace, samples: strictly,
			annotations: contract.LockThreshold + ": 1ms\n", // each wait is a sample
			spec:        knownUser + containers(java("app", images.JavaName(version), busy, ready)), check: everyType,
		})
	}
	return append(all,
		workload{name: "defaults", claim: "a pod that asks for nothing but to be profiled: windows of a minute, and none is missing", namespace: annotatedNamespace, samples: loosely,
			defaults: true, spec: knownUser + containers(java("app", java17, busy, ready)), check: wholeMinutes},
		workload{name: "image-user", claim: "a user that only the image knows, where Pod Security baseline is enforced", namespace: baselineNamespace, samples: loosely,
			spec: someUser + containers(java("app", images.JavaUserName("17"), busy, ready))},
		workload{name: "root", claim: "root, where Pod Security baseline is enforced", namespace: baselineNamespace, samples: loosely,
			spec: someUser + containers(java("app", java17, busy, ready))},
		workload{name: "read-only", claim: "a read-only root file system without a /tmp", namespace: annotatedNamespace, samples: loosely,
			spec: knownUser + containers(java("app", java17, busy, ready, "  securityContext: {readOnlyRootFilesystem: true}\n"))},
		workload{name: "two", claim: "two Java containers, each of its own user, none of them root: one is profiled, and it is said of the other", namespace: annotatedNamespace, samples: loosely,
			spec: someUser + containers(
				java("one", java17, busy, ready, "  securityContext: {runAsUser: 10001, runAsGroup: 10001}\n"),
				java("other", java17, busy+`, {name: PORT, value: "8081"}`, "  securityContext: {runAsUser: 10002, runAsGroup: 10002}\n")),
			check: oneOfTwo},
		workload{name: "both", claim: "two Java containers, one as root, one as another user: both are profiled, and none can change the library or reach the recordings of the other", namespace: baselineNamespace, samples: loosely,
			spec: someUser + containers(
				java("one", java17, busy, ready),
				java("other", java17, busy+`, {name: PORT, value: "8081"}`, "  securityContext: {runAsUser: 10002, runAsGroup: 10002}\n")),
			check: bothOfTwo},
		workload{name: "linked", claim: "a runtime that jlink made of java.base alone, in an image without a shell", namespace: restrictedNamespace, samples: loosely,
			spec: hardened + containers(java("app", images.LinkedName, busy, ready, tight))},
		workload{name: "foreign", claim: "an application with a profiler of its own: left alone, and said", namespace: annotatedNamespace,
			spec: knownUser + containers(java("app", java17, busy, ready,
				"  command: [java, \"-agentpath:"+images.Profiler+"=start,event=cpu,interval=20ms,chunktime=3,file="+foreignRecording+"\", -Xmx64m, -cp, /app, Work]\n")),
			check: leftAlone},
		workload{name: "restricted", claim: "a namespace that enforces Pod Security restricted", namespace: restrictedNamespace, samples: loosely,
			spec: hardened + containers(java("app", java17, busy, ready, tight))},
		workload{name: "by-label", claim: "a namespace that opts in by its label", namespace: labelledNamespace, samples: loosely,
			spec: knownUser + containers(java("app", java17, busy, ready))},
		workload{name: "opted-out", claim: "a pod that opts out of its namespace", namespace: labelledNamespace, annotations: contract.Enabled + `: "false"`,
			spec: knownUser + containers(java("app", java17, busy, ready)), reason: "opted_out"},
		workload{name: "no-share", claim: "an explicit shareProcessNamespace: false", namespace: annotatedNamespace,
			spec: "shareProcessNamespace: false\n" + knownUser + containers(java("app", java17, busy, ready)), reason: "share_process_namespace_false"},
		workload{name: "stateful", claim: "a StatefulSet", namespace: annotatedNamespace, kind: "StatefulSet", samples: loosely,
			spec: knownUser + containers(java("app", java17, busy, ready))},
		workload{name: "bare", claim: "a pod without an owner", namespace: annotatedNamespace, kind: "Pod", samples: loosely,
			spec: knownUser + containers(java("app", java17, busy, ready))},
		workload{name: "exec-probe", claim: "a probe that is a JVM itself", namespace: annotatedNamespace, samples: loosely,
			spec: knownUser + containers(java("app", java17, busy, "  readinessProbe: {exec: {command: [java, -Xmx16m, -version]}, periodSeconds: 5, timeoutSeconds: 20}\n"))},
		workload{name: "port", claim: "an application on the port that our metrics had", namespace: annotatedNamespace, samples: loosely,
			spec: knownUser + containers(java("app", java17, busy+`, {name: PORT, value: "9467"}`, strings.ReplaceAll(ready, "8080", "9467")))},
		workload{name: "no-java", claim: "a pod without Java: that there is none is said", namespace: annotatedNamespace,
			spec: knownUser + "containers: [{name: app, image: " + images.BusyboxName + ", command: [sleep, \"86400\"]}]\n", check: saidToHaveNoJVM},
	)
}

// atATime is how many workloads run at once: a machine of two cores gives each
// JVM enough to be judged by.
const atATime = 4

// workloadLimit lets the workloads of a batch have their samples also where this
// machine has a quarter of a core for each.
const workloadLimit = 8 * time.Minute

func workloads(t *testing.T) {
	const group = "Workloads"
	shared.skipWithoutImages(t, group)
	if !require(t, stepLimit, group, "namespaces of every kind are made", func(s *step) { shared.makeNamespaces(s) }) {
		return
	}
	wanted := slices.DeleteFunc(allWorkloads(), func(w workload) bool { return !onlyClaims.MatchString(w.claim) })
	for batch := range slices.Chunk(wanted, atATime) {
		for _, w := range batch {
			if _, _, err := shared.Kubectl(t.Context(), strings.NewReader(w.manifest()), "apply", "-f", "-"); err != nil {
				t.Errorf("%v\n%s", err, w.manifest())
			}
		}
		for _, w := range batch {
			claimWithin(t, workloadLimit, group, w.claim, w.holds)
		}
		for _, w := range batch {
			if _, _, err := shared.Kubectl(t.Context(), nil, "delete", "--namespace", w.namespace, "--wait=false", w.resource(), w.name); err != nil {
				t.Error(err)
			}
		}
	}
	claim(t, group, "a Job ends, none of its windows is missing, and its end is told as an exit", func(s *step) { runToItsEnd(s, "Job", "job", 1, time.Minute) })
	claimWithin(t, 6*time.Minute, group, "a CronJob's runs are one service, and each ends", func(s *step) { runToItsEnd(s, "CronJob", "nightly", 2, 30*time.Second) })
	claimWithin(t, 5*time.Minute, group, "an application that crash-loops: the sidecar stays up, tells exits and no crash, and its pod goes when it is deleted", crashLoops)
	claim(t, group, "the API lists a pod that is not injected and one that waits for the sidecar's image, with the reason", withoutProfile)
	claim(t, group, "of every pod that is gone it is told that its JVMs are", goneAreTold)
}

// holds checks a workload: its pod is ready, in the state that it should be in,
// was never restarted, and nothing of ours is in its output.
func (w workload) holds(s *step) {
	pod := shared.readyPods(s, w.namespace, "app="+w.name, 1)[0]
	if w.samples > 0 && missed(&pod) {
		pod = w.again(s, &pod)
	}
	s.warm = pod.Status.StartTime.Add(warmUpOfPod)
	w.judge(s, &pod)
	if w.check != nil {
		w.check(s, &pod)
	}
	s.onlyOwnOutput(w)
}

// missed says whether the webhook has never seen a pod: on a busy machine it may
// not answer within its three seconds, and the pod starts without it.
func missed(pod *corev1.Pod) bool {
	return sidecarOf(pod) == nil && pod.Annotations[contract.Status] == ""
}

// again replaces a pod that was missed, as the audit's remedy says.
func (w workload) again(s *step, pod *corev1.Pod) (next corev1.Pod) {
	s.measure("missed by the webhook, which was too busy; replaced")
	s.must(shared.Client.CoreV1().Pods(pod.Namespace).Delete(s.ctx, pod.Name, metav1.DeleteOptions{}))
	if w.kind == "Pod" {
		s.until("the pod is gone", func() (bool, string) {
			_, err := shared.Client.CoreV1().Pods(pod.Namespace).Get(s.ctx, pod.Name, metav1.GetOptions{})
			return err != nil, "there"
		})
		shared.applyText(s, w.manifest())
	}
	s.until("a successor", func() (bool, string) {
		next = shared.readyPods(s, w.namespace, "app="+w.name, 1)[0]
		return next.UID != pod.UID, next.Name
	})
	return next
}

// judge checks what became of a pod.
func (w workload) judge(s *step, pod *corev1.Pod) {
	injected := sidecarOf(pod) != nil
	status := pod.Annotations[contract.Status]
	if w.reason != "" {
		if injected || !strings.Contains(status, w.reason) && w.reason != "opted_out" {
			s.Errorf("injected %t, status %q, want %s", injected, status, w.reason)
		}
		return
	}
	if !injected {
		s.Fatalf("pod %s is not injected; status %q", pod.Name, status)
	}
	if w.samples > 0 {
		s.shares(w.namespace, w.name, "cpu", known["cpu"][0], known["cpu"][1], w.samples)
		s.profiled(pod)
	}
}

// profiled waits until a JVM of a pod is told to be profiled, without a reservation.
func (s *step) profiled(pod *corev1.Pod) (found target) {
	s.Helper()
	s.until("a JVM of pod "+pod.Name+" is told to be profiled", func() (bool, string) {
		targets, err := shared.backend.targets(s.ctx, pod.Namespace)
		for _, target := range targets {
			if target.Identity.Pod == pod.Name && target.State.State == "profiled" && target.State.Reason == "" && !target.Silent {
				found = target
				return true, ""
			}
		}
		return false, fmt.Sprintf("%+v %v", targets, err)
	})
	return found
}

// wholeMinutes demands windows of the length that is the default. The first one
// begins when the profiler does, and is shorter.
func wholeMinutes(s *step, pod *corev1.Pod) {
	const minutes = 3
	begin := pod.Status.StartTime.Time
	var end time.Time
	s.until("some windows of a minute", func() (bool, string) {
		end = s.profiled(pod).State.LastWindowEnd
		return end.After(begin.Add(minutes * time.Minute)), fmt.Sprintf("until %s, the pod began at %s", end, begin)
	})
	got := s.everyWindow(pod.Namespace, pod.Labels["app"], begin, end)
	if span := end.Sub(begin).Minutes(); float64(got.Expected) > span+1 {
		s.Errorf("%d windows in %.1f minutes", got.Expected, span)
	}
}

func everyType(s *step, pod *corev1.Pod) {
	service := pod.Labels["app"]
	for _, kind := range []string{"alloc", "lock"} {
		s.shares(pod.Namespace, service, kind, known[kind][0], known[kind][1], strictly)
	}
}

// oneOfTwo demands that the status and the targets say which of two containers is
// not profiled: only a sidecar that is root would reach both, and nothing in the
// pod is root.
func oneOfTwo(s *step, pod *corev1.Pod) {
	if status := pod.Annotations[contract.Status]; !strings.Contains(status, `"containers":["one"]`) {
		s.Errorf("status %s", status)
	}
	s.until("one container is profiled, and the other's JVM listed", func() (bool, string) {
		states := map[string]string{}
		targets, err := shared.backend.targets(s.ctx, pod.Namespace)
		for _, target := range targets {
			if target.Identity.Pod == pod.Name {
				states[target.Identity.Container] = target.State.State + " " + target.State.Reason
			}
		}
		return strings.HasPrefix(states["one"], "profiled") && strings.HasSuffix(states["other"], " not_selected"), fmt.Sprint(states, err)
	})
}

// bothOfTwo demands that both containers of a pod are profiled, each by its name,
// and that neither can do the other harm through what the sidecar shares with it.
func bothOfTwo(s *step, pod *corev1.Pod) {
	s.until("both containers are profiled", func() (bool, string) {
		states := map[string]string{}
		targets, err := shared.backend.targets(s.ctx, pod.Namespace)
		for _, target := range targets {
			if target.Identity.Pod == pod.Name {
				states[target.Identity.Container] = target.State.State
			}
		}
		return states["one"] == "profiled" && states["other"] == "profiled", fmt.Sprint(states, err)
	})
	if shared.node != nil { // its processes are seen from here
		keptApart(s, pod)
	}
}

// keptApart looks at the volumes from where each JVM does, as root: nobody there
// can write to the library that JVMs load, or sees another container's recordings.
func keptApart(s *step, pod *corev1.Pod) {
	jvms := shared.processes(pod, "java")
	if len(jvms) != len(pod.Spec.Containers) {
		s.Fatalf("pod %s has JVMs %v", pod.Name, jvms)
	}
	seen := map[string]bool{}
	for _, jvm := range jvms {
		root := fmt.Sprintf("/proc/%d/root", jvm)
		libraries, err := filepath.Glob(filepath.Join(root, contract.LibraryPath, contract.LibraryDirectory, contract.LibraryPrefix+"*"))
		s.must(err)
		if len(libraries) == 0 {
			s.Errorf("JVM %d sees no library below %s", jvm, contract.LibraryPath)
		}
		for _, path := range append(libraries, filepath.Join(root, contract.LibraryPath, "new")) {
			if file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600); !errors.Is(err, syscall.EROFS) {
				s.Errorf("JVM %d could write %s: %v", jvm, path, err)
				file.Close()
			}
		}
		recordings, err := os.ReadDir(filepath.Join(root, contract.RecordingsPath))
		s.must(err)
		if len(recordings) != 1 || seen[recordings[0].Name()] {
			s.Errorf("JVM %d sees the recordings of %v, others those of %v", jvm, recordings, seen)
			continue
		}
		seen[recordings[0].Name()] = true
	}
}

func saidToHaveNoJVM(s *step, pod *corev1.Pod) {
	s.until("the API says that there is no JVM", func() (bool, string) {
		text := shared.targetsText(s, pod.Namespace)
		return strings.Contains(text, pod.Name+"/ skipped no_jvm"), text
	})
}

const foreignRecording = "/tmp/foreign.jfr"

// leftAlone demands that the state says conflict, that nothing is stored, and that
// the application's own recording goes on.
func leftAlone(s *step, pod *corev1.Pod) {
	conflict := func() (bool, string) {
		text := shared.targetsText(s, pod.Namespace)
		return strings.Contains(text, pod.Name+"/app conflict"), text
	}
	s.until("the target is in conflict", conflict)
	size := func() int64 {
		jvm := shared.processes(pod, "java")
		if len(jvm) != 1 {
			return 0
		}
		info, err := os.Stat(fmt.Sprintf("/proc/%d/root%s", jvm[0], foreignRecording))
		if err != nil {
			return 0
		}
		return info.Size()
	}
	before := size()
	s.within(time.Minute, "the application's own recording grows", func() (bool, string) {
		now := size()
		return before > 0 && now > before, fmt.Sprintf("%d bytes, before %d", now, before)
	})
	if still, text := conflict(); !still {
		s.Errorf("the targets are %s", text)
	}
	var got top
	s.must(shared.backend.get(s.ctx, "/api/v1/top", scope(pod.Namespace, pod.Labels["app"], "cpu"), &got))
	if got.Total.Count > 0 {
		s.Errorf("%d samples are stored of a JVM that is another's", got.Total.Count)
	}
	s.measure("conflict; its own recording grew from %d to %d bytes", before, size())
}

// output is what the workload itself prints.
func (w workload) output() string {
	switch w.name {
	case "no-java":
		return ""
	case "foreign":
		return "Profiling started\n" + ownOutput // of its own profiler
	}
	return ownOutput
}

// ownOutput is what the workloads print.
const ownOutput = "work: ready\n"

// onlyOwnOutput demands that the log of each container is what the workload
// prints.
func (s *step) onlyOwnOutput(w workload) {
	s.Helper()
	pods, err := shared.Client.CoreV1().Pods(w.namespace).List(s.ctx, metav1.ListOptions{LabelSelector: "app=" + w.name})
	s.must(err)
	for _, pod := range pods.Items {
		for _, status := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
			if status.RestartCount > 0 {
				s.Errorf("%s/%s: container %s was restarted %d times", pod.Namespace, pod.Name, status.Name, status.RestartCount)
			}
		}
		for _, container := range pod.Spec.Containers {
			if content, want := s.outputOf(&pod, container.Name), w.output(); content != want {
				s.Errorf("%s/%s: container %s printed %q, want %q", pod.Namespace, pod.Name, container.Name, content, want)
			}
		}
	}
}

func (s *step) outputOf(pod *corev1.Pod, container string) string {
	s.Helper()
	content, err := shared.Client.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{Container: container}).DoRaw(s.ctx)
	s.must(err)
	return string(content)
}
