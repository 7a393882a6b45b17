package acceptance

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/tests/cluster/images"
)

// runToItsEnd runs a Job, or a CronJob so often: its pods complete although the
// sidecar runs in them, and what they did is kept and told as it was.
func runToItsEnd(s *step, kind, name string, runs int, length time.Duration) {
	w := workload{name: name, namespace: annotatedNamespace, kind: kind,
		spec: "restartPolicy: Never\n" + knownUser + containers(java("app", images.JavaName("17"), fmt.Sprintf("%s, {name: EXIT_AFTER, value: \"%.0f\"}", busy, length.Seconds())))}
	shared.applyText(s, w.manifest())
	var ended []corev1.Pod
	s.until(fmt.Sprintf("%d pods of the %s have succeeded", runs, kind), func() (bool, string) {
		ended = nil
		var seen []string
		for _, pod := range podsOf(s, w) {
			if pod.Status.Phase == corev1.PodSucceeded {
				ended = append(ended, pod)
			}
			seen = append(seen, pod.Name+": "+trouble(&pod))
		}
		return len(ended) >= runs, strings.Join(seen, "; ")
	})
	end := time.Now()
	s.shares(w.namespace, w.name, "cpu", known["cpu"][0], known["cpu"][1], 200)
	s.everyWindow(w.namespace, w.name, s.started, end)
	for _, pod := range ended {
		if restarts := restartsOf(&pod)[contract.ContainerName]; restarts > 0 {
			s.Errorf("the sidecar of pod %s was restarted %d times", pod.Name, restarts)
		}
		if printed := s.outputOf(&pod, "app"); printed != ownOutput {
			s.Errorf("pod %s printed %q, want %q", pod.Name, printed, ownOutput)
		}
		s.exitedInOrder(&pod, s.endOf(&pod, ""))
	}
	if _, _, err := shared.Kubectl(s.ctx, nil, "delete", "--namespace", w.namespace, "--wait=false", w.resource(), w.name); err != nil {
		s.Errorf("%v", err)
	}
}

func podsOf(s *step, w workload) []corev1.Pod {
	pods, err := shared.Client.CoreV1().Pods(w.namespace).List(s.ctx, metav1.ListOptions{LabelSelector: "app=" + w.name})
	s.must(err)
	return pods.Items
}

// endOf waits until a JVM of a pod, that of a series if it is given, is told to be
// gone with an empty spool, and returns what is told.
func (s *step) endOf(pod *corev1.Pod, series string) (told string) {
	s.Helper()
	s.until("a JVM of pod "+pod.Name+" is told to be gone", func() (bool, string) {
		targets, err := shared.backend.targets(s.ctx, pod.Namespace)
		for _, t := range targets {
			if t.Identity.Pod == pod.Name && (series == "" || t.Series == series) && t.State.State == "gone" && t.Spool.Windows == 0 {
				told = t.State.Reason + ", " + t.State.Detail
				return true, ""
			}
		}
		return false, fmt.Sprintf("%+v %v", targets, err)
	})
	s.measure("told of pod %s: %s", pod.Name, told)
	return told
}

func (s *step) exitedInOrder(pod *corev1.Pod, told string) {
	s.Helper()
	if !strings.HasPrefix(told, "jvm_exited, exited") {
		s.Errorf("of the JVM of pod %s, which exited in good order, is told: %s", pod.Name, told)
	}
}

// crashAfter lets the sidecar attach before the application dies.
const crashAfter = 18 * time.Second

// crashLoops runs an application that dies again and again, by an exit code: what
// is told of it must not blame the profiler.
func crashLoops(s *step) {
	w := workload{name: "crashing", namespace: annotatedNamespace,
		spec: knownUser + containers(java("app", images.JavaName("17"), fmt.Sprintf("{name: CRASH_AFTER, value: \"%.0f\"}", crashAfter.Seconds())))}
	shared.applyText(s, w.manifest())
	var pod corev1.Pod
	s.until("the application has crashed three times", func() (bool, string) {
		pods := podsOf(s, w)
		if len(pods) != 1 {
			return false, fmt.Sprintf("%d pods", len(pods))
		}
		pod = pods[0]
		for _, status := range pod.Status.InitContainerStatuses {
			if status.Name == contract.ContainerName && status.RestartCount > 0 {
				s.Fatalf("the sidecar was restarted %d times: %s", status.RestartCount, trouble(&pod))
			}
		}
		return len(pod.Status.ContainerStatuses) == 1 && pod.Status.ContainerStatuses[0].RestartCount >= 3, trouble(&pod)
	})
	// One that has just started has not printed yet.
	if printed := s.outputOf(&pod, "app"); !strings.HasPrefix(ownOutput, printed) {
		s.Errorf("pod %s printed %q, want %q", pod.Name, printed, ownOutput)
	}
	// Kernels before 6.15 do not tell an exit code.
	if told := s.endOf(&pod, ""); !strings.HasPrefix(told, "jvm_exited, exited") && !strings.HasPrefix(told, "jvm_exited, cut_short") {
		s.Errorf("of the JVM of pod %s, which ended itself by an exit code, is told: %s", pod.Name, told)
	}
	if text := shared.targetsText(s, w.namespace); strings.Contains(text, "jvm_crashed_after_attach") {
		s.Errorf("the profiler is blamed: %s", text)
	}
	s.must(shared.Client.AppsV1().Deployments(w.namespace).Delete(s.ctx, w.name, metav1.DeleteOptions{}))
	gone := time.Now()
	s.within(time.Minute, "its pod is gone", func() (bool, string) {
		pods := podsOf(s, w)
		return len(pods) == 0, fmt.Sprint(len(pods))
	})
	s.measure("deleted, its pod was gone after %.1f s", time.Since(gone).Seconds())
}

// withoutProfile demands that a reader of the API learns of pods that asked and
// have no profile.
func withoutProfile(s *step) {
	idle := func(name, more string) workload {
		return workload{name: name, namespace: annotatedNamespace, kind: "Pod",
			spec: more + knownUser + "containers: [{name: app, image: " + images.BusyboxName + ", command: [sleep, \"86400\"]}]\n"}
	}
	refused := idle("refused", "shareProcessNamespace: false\n")
	shared.applyText(s, refused.manifest())
	waiting := s.crafted(idle("waiting", ""), func(sidecar *corev1.Container) {
		sidecar.Image = "ghcr.io/podflame/sidecar:there-is-none"
	})
	// What asks comes last: with it, the webhook would have put its own image there.
	if _, _, err := shared.Kubectl(s.ctx, nil, "annotate", "--namespace", waiting.Namespace, "pod", waiting.Name, contract.Enabled+"=true"); err != nil {
		s.Fatalf("%v", err)
	}
	want := map[string]string{"refused": "share_process_namespace_false", "waiting": "image_unpullable"}
	s.until("the API lists both pods", func() (bool, string) {
		var injection struct {
			Pods []struct {
				Pod    string
				Reason struct{ Reason string }
			}
		}
		err := shared.backend.get(s.ctx, "/api/v1/injection", map[string][]string{"namespace": {annotatedNamespace}}, &injection)
		found := 0
		for _, pod := range injection.Pods {
			if reason, ok := want[pod.Pod]; ok && pod.Reason.Reason == reason {
				found++
			}
		}
		return found == len(want), fmt.Sprintf("%+v %v", injection, err)
	})
	for name := range want {
		s.must(shared.Client.CoreV1().Pods(annotatedNamespace).Delete(s.ctx, name, metav1.DeleteOptions{}))
	}
}

// goneAreTold looks at all targets of the workloads: those of pods that there are no
// more are gone, also where a JVM was not profiled.
func goneAreTold(s *step) {
	var gone int
	s.until("no target of a pod that is gone is told otherwise", func() (bool, string) {
		gone = 0
		var otherwise []string
		for _, namespace := range []string{annotatedNamespace, labelledNamespace, baselineNamespace, restrictedNamespace} {
			targets, err := shared.backend.targets(s.ctx, namespace)
			if err != nil {
				return false, err.Error()
			}
			pods, err := shared.Client.CoreV1().Pods(namespace).List(s.ctx, metav1.ListOptions{})
			s.must(err)
			for _, t := range targets {
				switch {
				case slices.ContainsFunc(pods.Items, func(p corev1.Pod) bool { return p.Name == t.Identity.Pod }):
				case t.State.State == "gone":
					gone++
				default:
					otherwise = append(otherwise, fmt.Sprintf("%s/%s: %s %s", t.Identity.Pod, t.Identity.Container, t.State.State, t.State.Reason))
				}
			}
		}
		return len(otherwise) == 0, strings.Join(otherwise, "; ")
	})
	s.measure("%d JVMs of pods that are gone", gone)
}
