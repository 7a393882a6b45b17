package acceptance

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/tests/cluster/images"
)

// runToItsEnd runs a Job of a minute, or a CronJob of such: its pod completes
// although the sidecar runs in it, and what it did is kept.
func runToItsEnd(s *step, kind, name string) {
	const seconds = 60
	w := workload{name: name, namespace: annotatedNamespace, kind: kind,
		spec: "restartPolicy: Never\n" + knownUser + containers(java("app", images.JavaName("17"), fmt.Sprintf("%s, {name: EXIT_AFTER, value: \"%d\"}", busy, seconds)))}
	shared.applyText(s, w.manifest())
	s.until("a pod of the "+kind+" has succeeded", func() (bool, string) {
		pods, err := shared.Client.CoreV1().Pods(w.namespace).List(s.ctx, metav1.ListOptions{LabelSelector: "app=" + w.name})
		if err != nil || len(pods.Items) == 0 {
			return false, fmt.Sprint("no pod", err)
		}
		return pods.Items[0].Status.Phase == corev1.PodSucceeded, trouble(&pods.Items[0])
	})
	s.shares(w.namespace, w.name, "cpu", known["cpu"][0], known["cpu"][1], 200)
	var got top
	s.must(shared.backend.get(s.ctx, "/api/v1/top", scope(w.namespace, w.name, "cpu"), &got))
	s.measure("windows expected %d, stored %d, lost %d; losses %+v", got.Coverage.Windows.Expected, got.Coverage.Windows.Stored, got.Coverage.Windows.Lost, got.Coverage.Losses)
	s.ledgerAddsUp(name, got)
	if _, _, err := shared.Kubectl(s.ctx, nil, "delete", "--namespace", w.namespace, "--wait=false", w.resource(), w.name); err != nil {
		s.Errorf("%v", err)
	}
}

// crashLoops runs an application that dies again and again.
func crashLoops(s *step) {
	w := workload{name: "crashing", namespace: annotatedNamespace,
		spec: knownUser + containers(java("app", images.JavaName("17"), `{name: CRASH_AFTER, value: "4"}`))}
	shared.applyText(s, w.manifest())
	var seen string
	s.until("the application has crashed three times", func() (bool, string) {
		pods, err := shared.Client.CoreV1().Pods(w.namespace).List(s.ctx, metav1.ListOptions{LabelSelector: "app=" + w.name})
		if err != nil || len(pods.Items) != 1 {
			return false, fmt.Sprintf("%d pods, %v", len(pods.Items), err)
		}
		pod := &pods.Items[0]
		seen = trouble(pod)
		for _, status := range pod.Status.InitContainerStatuses {
			if status.Name == contract.ContainerName && status.RestartCount > 0 {
				s.Fatalf("the sidecar was restarted %d times: %s", status.RestartCount, seen)
			}
		}
		return len(pod.Status.ContainerStatuses) == 1 && pod.Status.ContainerStatuses[0].RestartCount >= 3, seen
	})
	s.must(shared.Client.AppsV1().Deployments(w.namespace).Delete(s.ctx, w.name, metav1.DeleteOptions{}))
	gone := time.Now()
	s.within(time.Minute, "its pod is gone", func() (bool, string) {
		pods, err := shared.Client.CoreV1().Pods(w.namespace).List(s.ctx, metav1.ListOptions{LabelSelector: "app=" + w.name})
		return err == nil && len(pods.Items) == 0, fmt.Sprint(len(pods.Items), err)
	})
	s.measure("deleted, its pod was gone after %.1f s", time.Since(gone).Seconds())
}
