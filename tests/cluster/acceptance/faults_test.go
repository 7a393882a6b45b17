package acceptance

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/tests/cluster/images"
	"github.com/podflame/podflame/tests/internal/stack"
)

// faultNamespace holds the victim: a Java service behind a Service.
const (
	faultNamespace = "acceptance-faults"
	victimSelector = "app=victim"
)

func faults(t *testing.T) {
	const group = "Faults"
	shared.skipElsewhere(t, group)
	if !require(t, stepLimit, group, "certificates and tokens of minutes instead of months", shortLived) ||
		!require(t, stepLimit, group, "a service to injure is profiled", startVictim) {
		return
	}
	claimWithin(t, 8*time.Minute, group, fmt.Sprintf("the agent killed %d times in a row: the pod stays ready and in its endpoints throughout, the session goes on, and no window is missing", kills), killAgent)
	claimWithin(t, 5*time.Minute, group, "the sidecar's first process killed: the kubelet starts it again, the session goes on, and no window is missing", func(s *step) { s.nothingMissing(func() { killSidecar(s) }) })
	claim(t, group, "the sidecar frozen for 15 s: the application does not notice", freezeSidecar)
	claimWithin(t, 5*time.Minute, group, "the JVM killed: it comes back and is profiled again, and for how long nothing is known of the first is told", killJVM)
	claim(t, group, "ClickHouse killed: no window is missing", func(s *step) { s.nothingMissing(func() { killClickHouse(s) }) })
	claim(t, group, "the backend's pod deleted: no window is missing", func(s *step) { s.nothingMissing(func() { deleteBackend(s) }) })
	claimWithin(t, 6*time.Minute, group, "the backend down for two minutes: no window is missing", func(s *step) { s.nothingMissing(func() { backendDown(s) }) })
	claim(t, group, "the backend's certificate replaced: no window is missing", func(s *step) { s.nothingMissing(func() { replaceCertificate(s) }) })
	claimWithin(t, 5*time.Minute, group, "the CA replaced: sidecars come to trust the new one before it is used, and no window is missing", func(s *step) { s.nothingMissing(func() { replaceAuthority(s) }) })
	claim(t, group, "the sidecar's memory at its limit: the kernel ends a process of it, the pod stays ready, and no time is unaccounted for", outOfMemory)
	claimWithin(t, 5*time.Minute, group, "the volume of ClickHouse full for a minute: it is said, and no window is missing", volumeFull)
	claimWithin(t, 12*time.Minute, group, "a spool at its limit: the oldest windows go and are told, the volume stays below its limit, and the pod is not evicted", spoolFull)
	claimWithin(t, 6*time.Minute, group, "the volume of recordings over its limit: the pod is evicted, its successor is profiled, and no window goes without a reason", recordingsFull)
	claimWithin(t, 5*time.Minute, group, "the victim evicted as by a drain: no window is missing, and its last report says that it has exited, with an empty spool", evictVictim)
	claim(t, group, "the webhook down during a rollout: pods start, and the audit lists exactly them", webhookDown)
	claim(t, group, "LimitRange and quota: every pod of the rollout comes up, with a fitted sidecar where there is room, else without one and with the reason", quota)
	claimWithin(t, 12*time.Minute, group, "NetworkPolicies enforced: windows and audit pass, and a stranger's pod reaches neither audit nor metrics", policiesEnforced)
	claimWithin(t, 12*time.Minute, group, "the ServiceAccount token expired: the sidecar writes with the next", tokenRotated)
}

func startVictim(s *step) {
	shared.applyText(s, fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n", faultNamespace))
	victim := workload{name: "victim", namespace: faultNamespace, spec: knownUser + containers(java("app", images.JavaName("17"), "", ready))}
	shared.applyText(s, victim.manifest())
	shared.applyText(s, fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {name: victim, namespace: %s}\nspec: {selector: {app: victim}, ports: [{port: 80, targetPort: 8080}]}\n", faultNamespace))
	steady := workload{name: steadyService, namespace: faultNamespace, spec: knownUser + containers(java("app", images.JavaName("17"), "", ready))}
	shared.applyText(s, steady.manifest())
	shared.readyPods(s, faultNamespace, victimSelector, 1)
	s.samplesSince(time.Now())
}

// samplesSince waits for CPU samples of the victim in windows from a time on.
func (s *step) samplesSince(from time.Time) {
	s.Helper()
	s.samplesOf(faultNamespace, "victim", from)
}

func (s *step) samplesOf(namespace, service string, from time.Time) {
	s.Helper()
	s.until("samples of "+service+" from "+from.Format(time.TimeOnly)+" on", func() (bool, string) {
		var got top
		err := shared.backend.get(s.ctx, "/api/v1/top", scopeSince(namespace, service, "cpu", from.Add(10*time.Second)), &got)
		return err == nil && got.Total.Count > 0, fmt.Sprintf("%+v %v; targets: %s", got.Total, err, shared.targetsText(s, namespace))
	})
}

// kills is how often the agent is killed: the first process waits twice as long
// each time, ten seconds at most.
const kills = 20

func killAgent(s *step) {
	pod := shared.victim(s)
	before := s.profiled(pod)
	began := time.Now()
	watch := s.watchReady(pod.Name, "victim")
	for range kills {
		agent := shared.agent(s, pod)
		s.must(syscall.Kill(agent, syscall.SIGKILL))
		s.within(2*time.Minute, "a new agent", func() (bool, string) {
			now := shared.agents(pod)
			return len(now) > 0 && now[0] != agent, fmt.Sprint(now)
		})
	}
	took := time.Since(began)
	s.samplesSince(time.Now())
	watch.finish(s)
	s.measure("%d kills in %.0f s", kills, took.Seconds())
	s.restarts(pod.Name, map[string]int32{"app": 0, contract.ContainerName: 0})
	s.goesOn(pod, before)
	s.everyWindow(faultNamespace, "victim", began.Add(10*time.Second), time.Now().Add(-20*time.Second))
}

// goesOn demands that the session of before is continued by another sidecar.
func (s *step) goesOn(pod *corev1.Pod, before target) {
	s.Helper()
	if now := s.profiled(pod); now.State.Session != before.State.Session || !now.State.Adopted {
		s.Errorf("the session of pod %s was %s and is %s; adopted %t", pod.Name, before.State.Session, now.State.Session, now.State.Adopted)
	}
}

// killSidecar kills the container's first process, and with it the container.
func killSidecar(s *step) {
	pod := shared.victim(s)
	before, counts := s.profiled(pod), restartsOf(pod)
	first := parentOf(shared.agent(s, pod))
	s.must(syscall.Kill(first, syscall.SIGKILL))
	killed := time.Now()
	s.until("the kubelet has started the sidecar again", func() (bool, string) {
		now, err := shared.Client.CoreV1().Pods(faultNamespace).Get(s.ctx, pod.Name, metav1.GetOptions{})
		s.must(err)
		return restartsOf(now)[contract.ContainerName] == counts[contract.ContainerName]+1 && isReady(now), trouble(now)
	})
	s.measure("ready again after %.1f s", time.Since(killed).Seconds())
	s.samplesSince(killed)
	s.restarts(pod.Name, map[string]int32{"app": counts["app"]})
	s.goesOn(pod, before)
}

func freezeSidecar(s *step) {
	pod := shared.victim(s)
	watch := s.watchReady(pod.Name, "victim")
	agent := shared.agent(s, pod)
	s.must(syscall.Kill(agent, syscall.SIGSTOP))
	sleep(s.ctx, 15*time.Second) // the length of the freeze is the fault
	s.must(syscall.Kill(agent, syscall.SIGCONT))
	thawed := time.Now()
	s.samplesSince(thawed)
	watch.finish(s)
	s.restarts(pod.Name, restartsOf(pod))
}

func killJVM(s *step) {
	began := time.Now()
	s.samplesSince(began)
	pod := shared.victim(s)
	// What is recorded after the end of the last window dies with the JVM. The report
	// may be of an earlier one: they end every ten seconds.
	reported := s.profiled(pod).State.LastWindowEnd
	var last time.Time
	s.until("the last window ended some seconds ago, and the next has not", func() (bool, string) {
		age := time.Since(reported) % (10 * time.Second)
		last = time.Now().Add(-age)
		return age > 4*time.Second && age < 7*time.Second, age.String()
	})
	before := restartsOf(pod)
	jvm := shared.processes(pod, "java")
	if len(jvm) != 1 {
		s.Fatalf("pod %s has JVMs %v", pod.Name, jvm)
	}
	s.must(syscall.Kill(jvm[0], syscall.SIGKILL))
	killed := time.Now()
	s.until("a new JVM", func() (bool, string) {
		now := shared.processes(pod, "java")
		return len(now) == 1 && now[0] != jvm[0], fmt.Sprint(now)
	})
	s.samplesSince(killed)
	s.restarts(pod.Name, map[string]int32{"app": before["app"] + 1, contract.ContainerName: before[contract.ContainerName]})
	got := s.accounted(faultNamespace, "victim", began.Add(10*time.Second), time.Now().Add(-20*time.Second))
	var told time.Duration
	for _, lost := range got.Coverage.told() {
		if lost.Reason == "chunk_unfinished" {
			told += time.Duration(lost.DurationNs)
		}
	}
	s.measure("killed %.1f s after the last window, of which %.1f s are told as chunk_unfinished", killed.Sub(last).Seconds(), told.Seconds())
	if difference := (told - killed.Sub(last)).Abs(); difference > 3*time.Second {
		s.Errorf("%s are told as chunk_unfinished, the JVM died %s after the last window: %+v", told, killed.Sub(last), got.Coverage.told())
	}
	s.ledgerAddsUp("victim", got)
}

// killClickHouse kills what the backend runs besides itself.
func killClickHouse(s *step) {
	pod := shared.readyPods(s, systemNamespace, "app.kubernetes.io/name=podflame-backend", 1)[0]
	processes := shared.processes(&pod, "backend")
	if len(processes) < 2 {
		s.Fatalf("the backend runs as processes %v, without a ClickHouse", processes)
	}
	s.must(syscall.Kill(slices.Max(processes), syscall.SIGKILL))
}

func deleteBackend(s *step) {
	pod := shared.readyPods(s, systemNamespace, "app.kubernetes.io/name=podflame-backend", 1)[0]
	s.must(shared.Client.CoreV1().Pods(systemNamespace).Delete(s.ctx, pod.Name, metav1.DeleteOptions{}))
}

func backendDown(s *step) {
	back := s.withoutBackend()
	sleep(s.ctx, 2*time.Minute) // the length of the outage is the fault
	back()
}

// withoutBackend takes the backend away until the function is called, or the step
// ends: what comes next needs it.
func (s *step) withoutBackend() (back func()) {
	s.Helper()
	scale := func(ctx context.Context, replicas string) error {
		_, _, err := shared.Kubectl(ctx, nil, "scale", "--namespace", systemNamespace, "deployment/podflame-backend", "--replicas="+replicas)
		return err
	}
	s.Cleanup(func() {
		if err := scale(context.Background(), "1"); err != nil {
			s.Errorf("%v", err)
		}
	})
	s.must(scale(s.ctx, "0"))
	return func() { s.must(scale(s.ctx, "1")) }
}

func replaceCertificate(s *step) {
	const name = "podflame-backend-tls"
	secrets := shared.Client.CoreV1().Secrets(systemNamespace)
	before, err := secrets.Get(s.ctx, name, metav1.GetOptions{})
	s.must(err)
	s.must(secrets.Delete(s.ctx, name, metav1.DeleteOptions{}))
	var certificate string
	s.until("a new certificate", func() (bool, string) {
		now, err := secrets.Get(s.ctx, name, metav1.GetOptions{})
		if err == nil {
			certificate = string(now.Data[corev1.TLSCertKey])
		}
		return err == nil && certificate != string(before.Data[corev1.TLSCertKey]), fmt.Sprint(err)
	})
	s.serves(certificate)
}

// aftermath is how long after a fault windows are still looked at.
const aftermath = 20 * time.Second

// nothingMissing injures something and then demands every window of the victim
// from before the fault until after it, each once.
func (s *step) nothingMissing(injure func()) {
	s.Helper()
	began := time.Now()
	s.samplesSince(began) // an earlier fault is over
	injure()
	injured := time.Now()
	s.samplesSince(injured.Add(aftermath))
	s.everyWindow(faultNamespace, "victim", began.Add(10*time.Second), injured.Add(aftermath))
}

// everyWindow demands that each window of a span is stored, and that its ledger
// adds up.
func (s *step) everyWindow(namespace, service string, from, to time.Time) windowCount {
	s.Helper()
	got := s.accounted(namespace, service, from, to)
	windows := got.Coverage.Windows
	if windows.Lost > 0 || windows.Stored != windows.Expected {
		s.Errorf("%s: %d windows expected, %d stored, %d lost: %+v", service, windows.Expected, windows.Stored, windows.Lost, got.Coverage.told())
	}
	// A window that leaves the spool without its stacks is stored, too. What the
	// profiler skips while it writes has nothing to do with a fault.
	for _, lost := range got.Coverage.Losses {
		if lost.Outcome == "dropped" && lost.Count > 0 && lost.Reason != "profiler_skipped" {
			s.Errorf("%s: %d samples were dropped: %s", service, lost.Count, lost.Reason)
		}
	}
	s.measure("%s: %d windows expected, %d stored, over %.0f s", service, windows.Expected, windows.Stored, to.Sub(from).Seconds())
	s.ledgerAddsUp(service, got)
	return windows
}

// accounted waits until each window of a span is stored or told to be lost.
func (s *step) accounted(namespace, service string, from, to time.Time) (got top) {
	s.Helper()
	s.within(2*time.Minute, "every window of "+service, func() (bool, string) {
		query := scopeSince(namespace, service, "cpu", from)
		query.Set("to", fmt.Sprint(to.Unix()))
		err := shared.backend.get(s.ctx, "/api/v1/top", query, &got)
		windows := got.Coverage.Windows
		return err == nil && windows.Expected > 0 && windows.Stored+windows.Lost >= windows.Expected, fmt.Sprintf("%+v %v", got.Coverage, err)
	})
	return got
}

func evictVictim(s *step) {
	began := time.Now()
	s.samplesSince(began)
	pod := shared.victim(s)
	series := s.profiled(pod).Series
	shared.shell(s, "kubectl drain --ignore-daemonsets --delete-emptydir-data --force --pod-selector app=victim --timeout=90s "+pod.Spec.NodeName)
	evicted := time.Now()
	shared.shell(s, "kubectl uncordon "+pod.Spec.NodeName)
	shared.readyPods(s, faultNamespace, victimSelector, 1)
	s.exitedInOrder(pod, s.endOf(pod, series))
	s.samplesSince(evicted)
	s.everyWindow(faultNamespace, "victim", began.Add(10*time.Second), time.Now().Add(-20*time.Second))
}

func webhookDown(s *step) {
	shared.shell(s, "kubectl -n podflame-system scale deployment/podflame-webhook --replicas=0")
	s.until("the webhook is gone", func() (bool, string) {
		pods, err := shared.Client.CoreV1().Pods(systemNamespace).List(s.ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=podflame-webhook"})
		return err == nil && len(pods.Items) == 0, fmt.Sprint(len(pods.Items), err)
	})
	began := time.Now()
	missed := workload{name: "missed", namespace: faultNamespace, spec: knownUser + containers(java("app", images.JavaName("17"), "", ready))}
	shared.applyText(s, missed.manifest())
	pod := shared.readyPods(s, faultNamespace, "app=missed", 1)[0]
	s.measure("ready after %.1f s without the webhook", time.Since(began).Seconds())
	if sidecarOf(&pod) != nil {
		s.Errorf("pod %s is injected although the webhook is down", pod.Name)
	}
	shared.shell(s, "kubectl -n podflame-system scale deployment/podflame-webhook --replicas=2")
	shared.shell(s, "kubectl -n podflame-system rollout status deployment/podflame-webhook --timeout=2m")
	s.within(2*time.Minute, "the audit lists exactly "+pod.Name, func() (bool, string) {
		found, err := shared.audit(s.ctx)
		return err == nil && len(found) == 1 && found[0] == faultNamespace+"/"+pod.Name+" missed_by_webhook", fmt.Sprint(found, err)
	})
	s.must(shared.Client.CoreV1().Pods(faultNamespace).Delete(s.ctx, pod.Name, metav1.DeleteOptions{}))
	s.until("its successor is injected", func() (bool, string) {
		next := shared.readyPods(s, faultNamespace, "app=missed", 1)[0]
		return next.Name != pod.Name && sidecarOf(&next) != nil, next.Name
	})
	s.must(shared.Client.AppsV1().Deployments(faultNamespace).Delete(s.ctx, "missed", metav1.DeleteOptions{}))
}

func quota(s *step) {
	shared.applyText(s, `
apiVersion: v1
kind: Namespace
metadata: {name: acceptance-quota}
---
apiVersion: v1
kind: LimitRange
metadata: {name: narrow, namespace: acceptance-quota}
spec:
  limits:
  - type: Container
    min: {cpu: 50m, memory: 32Mi}
    max: {cpu: 600m, memory: 512Mi}
    maxLimitRequestRatio: {cpu: "10"}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: narrow, namespace: acceptance-quota}
spec: {hard: {limits.cpu: "4", limits.memory: 4Gi, requests.cpu: "2", requests.memory: 2Gi}}
`)
	rollOut := func(name, container string) (pods []corev1.Pod) {
		w := workload{name: name, namespace: "acceptance-quota", spec: knownUser +
			containers("- {name: app, image: "+images.BusyboxName+", command: [sleep, \"86400\"], resources: {"+container+"}}\n")}
		shared.applyText(s, strings.Replace(w.manifest(), "replicas: 1", "replicas: 2", 1))
		pods = shared.readyPods(s, w.namespace, "app="+name, 2)
		for i := range pods {
			s.measure("%s: injected %t, status %s", pods[i].Name, sidecarOf(&pods[i]) != nil, pods[i].Annotations[contract.Status])
		}
		return pods
	}
	for _, pod := range rollOut("fits", "requests: {cpu: 50m, memory: 64Mi}, limits: {cpu: 500m, memory: 256Mi}") {
		if sidecarOf(&pod) == nil || !strings.Contains(pod.Annotations[contract.Status], `"resources_fitted"`) {
			s.Errorf("pod %s has no sidecar that was fitted, although there is room", pod.Name)
		}
	}
	// Beside the first two there is room for these, and for one sidecar.
	without := 0
	for _, pod := range rollOut("no-room", "requests: {cpu: 60m, memory: 64Mi}, limits: {cpu: 600m, memory: 512Mi}") {
		if sidecarOf(&pod) == nil {
			without++
			if !strings.Contains(pod.Annotations[contract.Status], `"reason":"quota_exceeded"`) {
				s.Errorf("pod %s has no sidecar, and its status does not say that it is the quota's", pod.Name)
			}
		}
	}
	if without == 0 {
		s.Errorf("both pods have a sidecar, although the quota has no room for two")
	}
	s.must(shared.Client.CoreV1().Namespaces().Delete(s.ctx, "acceptance-quota", metav1.DeleteOptions{}))
}

// audit lists the pods that the webhook's audit finds, each with its reason.
func (l *lab) audit(ctx context.Context) ([]string, error) {
	forward, err := l.Forward(ctx, systemNamespace, "service/podflame-webhook", "8080")
	if err != nil {
		return nil, err
	}
	defer forward.Close()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+forward.Address+"/audit", nil)
	if err != nil {
		return nil, fmt.Errorf("ask the audit: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask the audit: %w", err)
	}
	var report struct {
		Findings []struct{ Namespace, Pod, Reason string }
	}
	if err := stack.ReadAnswer(response, "/audit", &report); err != nil {
		return nil, err
	}
	var found []string
	for _, f := range report.Findings {
		if f.Reason == "missed_by_webhook" {
			found = append(found, f.Namespace+"/"+f.Pod+" "+f.Reason)
		}
	}
	return found, nil
}

func sleep(ctx context.Context, length time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(length):
	}
}
