package acceptance

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/tests/cluster/images"
)

// memoryGroup is the cgroup of the container that a process runs in, by cgroup v1.
type memoryGroup string

func memoryGroupOf(pid int) (memoryGroup, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return "", fmt.Errorf("find the memory cgroup: %w", err)
	}
	for line := range strings.Lines(string(content)) {
		if parts := strings.SplitN(strings.TrimSpace(line), ":", 3); len(parts) == 3 && slices.Contains(strings.Split(parts[1], ","), "memory") {
			return memoryGroup(filepath.Join("/sys/fs/cgroup/memory", parts[2])), nil
		}
	}
	return "", fmt.Errorf("process %d is in no memory cgroup of version 1: this fault is made on such hosts only", pid)
}

// number is a file of the group, or a line of one.
func (g memoryGroup) number(file, line string) int64 {
	content, _ := os.ReadFile(filepath.Join(string(g), file))
	for text := range strings.Lines(string(content)) {
		fields := strings.Fields(text)
		if line == "" || len(fields) == 2 && fields[0] == line {
			n, _ := strconv.ParseInt(fields[len(fields)-1], 10, 64)
			return n
		}
	}
	return 0
}

func (g memoryGroup) setLimit(bytes int64) error {
	return os.WriteFile(filepath.Join(string(g), "memory.limit_in_bytes"), []byte(strconv.FormatInt(bytes, 10)), 0o600)
}

// outOfMemory leaves the sidecar a megabyte more than it has, as an estimate that
// was too low does, until the kernel has ended one of its processes.
func outOfMemory(s *step) {
	pod := shared.victim(s)
	began := time.Now()
	watch := s.watchReady(pod.Name, "victim")
	group, err := memoryGroupOf(shared.agent(s, pod))
	s.must(err)
	limit, ends := group.number("memory.limit_in_bytes", ""), group.number("memory.oom_control", "oom_kill")
	defer func() { s.must(group.setLimit(limit)) }()
	tight := group.number("memory.stat", "total_rss") + 1<<20
	for group.setLimit(tight) != nil { // it has more than that which cannot be taken
		tight += 1 << 20
	}
	s.until("the kernel ends a process of the sidecar", func() (bool, string) {
		now := group.number("memory.oom_control", "oom_kill")
		return now > ends, fmt.Sprintf("%d of %d bytes, %d ends", group.number("memory.usage_in_bytes", ""), tight, now-ends)
	})
	s.must(group.setLimit(limit))
	s.measure("limit of %d MiB instead of %d: %d processes ended by the kernel", tight>>20, limit>>20, group.number("memory.oom_control", "oom_kill")-ends)
	s.samplesSince(time.Now())
	watch.finish(s)
	s.restarts(pod.Name, map[string]int32{"app": restartsOf(pod)["app"]}) // an earlier fault may have killed it
	got := s.accounted(faultNamespace, "victim", began.Add(-10*time.Second), time.Now().Add(-20*time.Second))
	windows := got.Coverage.Windows
	if windows.Lost > 0 && len(got.Coverage.told()) == 0 {
		s.Errorf("%d windows are lost without a reason", windows.Lost)
	}
	s.measure("windows expected %d, stored %d, lost %d; losses %+v", windows.Expected, windows.Stored, windows.Lost, got.Coverage.told())
	s.ledgerAddsUp("victim", got)
}

// volumeFull leaves nothing of the volume, for a minute.
func volumeFull(s *step) {
	began := time.Now()
	s.samplesSince(began)
	backend := shared.readyPods(s, systemNamespace, "app.kubernetes.io/name=podflame-backend", 1)[0]
	filler := filepath.Join(shared.volumePath(), "filler")
	s.must(fill(filler))
	defer os.Remove(filler)
	filled := time.Now()
	var health struct {
		Store struct {
			Available       bool
			Reason, Message string
			DiskFreeBytes   int64
		}
	}
	s.within(time.Minute, "health says that the disk is full", func() (bool, string) {
		err := shared.backend.get(s.ctx, "/api/v1/ingest/health", nil, &health)
		return err == nil && !health.Store.Available && health.Store.Reason != "", fmt.Sprintf("%+v %v", health, err)
	})
	s.measure("told after %.0f s: %s, %s", time.Since(filled).Seconds(), health.Store.Reason, health.Store.Message)
	sleep(s.ctx, time.Minute-time.Since(filled)) // the length of the fault
	now, err := shared.Client.CoreV1().Pods(systemNamespace).Get(s.ctx, backend.Name, metav1.GetOptions{})
	s.must(err)
	if !maps.Equal(restartsOf(now), restartsOf(&backend)) {
		s.Errorf("the backend has restarts %v, before %v", restartsOf(now), restartsOf(&backend))
	}
	s.must(os.Remove(filler))
	freed := time.Now()
	s.samplesSince(freed)
	s.everyWindow(faultNamespace, "victim", began.Add(10*time.Second), time.Now().Add(-20*time.Second))
}

// fill takes all of a volume but the last few megabytes at once, then those.
func fill(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("fill the volume: %w", err)
	}
	defer file.Close()
	size := int64(0)
	for step := int64(1 << 30); step >= 4096; step /= 4 {
		for syscall.Fallocate(int(file.Fd()), 0, size, step) == nil {
			size += step
		}
	}
	if size == 0 {
		return fmt.Errorf("fill the volume: nothing could be taken")
	}
	return nil
}

// spoolLimit is what the sidecar of this fault may keep, in MiB: the default
// would take hours.
const spoolLimit = 1

// spoolFull takes the backend away until the spool of a pod with very many stacks
// is full.
func spoolFull(s *step) {
	pod := s.withSpool(spoolLimit)
	s.samplesOf(faultNamespace, pod.Name, time.Now())
	began := time.Now()
	back := s.withoutBackend()
	var size int64
	// Of the first one ClickHouse may have the samples: its receipt was lost with the backend.
	s.until("the spool is full and drops two windows", func() (bool, string) {
		size = max(size, shared.sizeOf(s, pod, contract.StatePath))
		dropped := shared.dropped(s, pod)
		return dropped > 1, fmt.Sprintf("%d bytes in the volume, %g windows dropped", size, dropped)
	})
	s.measure("full after %.0f s; at most %d kB in the volume", time.Since(began).Seconds(), size>>10)
	if most := int64(2 * spoolLimit << 20); size > most {
		s.Errorf("%d bytes in the volume of a sidecar whose spool is limited to %d MiB", size, spoolLimit)
	}
	now, err := shared.Client.CoreV1().Pods(faultNamespace).Get(s.ctx, pod.Name, metav1.GetOptions{})
	s.must(err)
	if !isReady(now) || now.Status.Phase != corev1.PodRunning {
		s.Errorf("pod %s is not ready any more: %s", pod.Name, trouble(now))
	}
	back()
	s.samplesOf(faultNamespace, pod.Name, time.Now())
	// The oldest began before the outage.
	got := s.accounted(faultNamespace, pod.Name, began.Add(-30*time.Second), time.Now().Add(-20*time.Second))
	told := slices.ContainsFunc(got.Coverage.Losses, func(l loss) bool { return l.Reason == "spool_full" && l.Count > 0 })
	if !told {
		s.Errorf("no loss says spool_full: %+v", got.Coverage.Losses)
	}
	s.measure("losses %+v", got.Coverage.Losses)
	s.ledgerAddsUp(pod.Name, got)
	s.must(shared.Client.CoreV1().Pods(faultNamespace).Delete(s.ctx, pod.Name, metav1.DeleteOptions{}))
}

// withSpool makes a pod whose spool has another size, which no annotation changes.
func (s *step) withSpool(mebibytes int) *corev1.Pod {
	s.Helper()
	w := workload{name: "spooling", namespace: faultNamespace, kind: "Pod", annotations: manySamples,
		// As many paths as the profiler's memory for stacks holds until the spool is full.
		spec: knownUser + containers(java("app", images.JavaName("17"), `{name: DEPTH, value: "8"}`, ready, "  command: [java, -Xmx64m, -cp, /app, Storm]\n"))}
	made := s.crafted(w, func(sidecar *corev1.Container) {
		sidecar.Env = append(sidecar.Env, corev1.EnvVar{Name: "PODFLAME_SPOOL_BYTES", Value: strconv.Itoa(mebibytes)})
	})
	shared.readyPods(s, w.namespace, "app="+w.name, 1)
	return made
}

// crafted makes a pod as the webhook does, but for what is changed of its sidecar:
// without the annotation that opts in, the webhook leaves it as it is.
func (s *step) crafted(w workload, change func(sidecar *corev1.Container)) *corev1.Pod {
	s.Helper()
	out, _, err := shared.Kubectl(s.ctx, strings.NewReader(w.manifest()), "create", "--dry-run=server", "-o", "json", "-f", "-")
	s.must(err)
	var pod corev1.Pod
	s.must(json.Unmarshal([]byte(out), &pod))
	sidecar := sidecarOf(&pod)
	if sidecar == nil {
		s.Fatalf("the pod would not be injected; status %q", pod.Annotations[contract.Status])
	}
	change(sidecar)
	delete(pod.Annotations, contract.Enabled)
	pod.ObjectMeta = metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace, Labels: pod.Labels, Annotations: pod.Annotations}
	made, err := shared.Client.CoreV1().Pods(w.namespace).Create(s.ctx, &pod, metav1.CreateOptions{})
	s.must(err)
	s.Cleanup(func() {
		_ = shared.Client.CoreV1().Pods(w.namespace).Delete(context.Background(), made.Name, metav1.DeleteOptions{}) // gone as a rule
	})
	return made
}

// sizeOf sums up the files below a folder of a pod's sidecar.
func (l *lab) sizeOf(s *step, pod *corev1.Pod, folder string) (bytes int64) {
	root := fmt.Sprintf("/proc/%d/root%s", l.agent(s, pod), folder)
	_ = filepath.WalkDir(root, func(_ string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil //nolint:nilerr // a file that has gone meanwhile
		}
		if info, err := entry.Info(); err == nil {
			bytes += info.Size()
		}
		return nil
	})
	return bytes
}

const droppedMetric = `podflame_spool_dropped_windows_total{reason="spool_full"`

// dropped is how many windows a pod's sidecar says that its spool has dropped.
func (l *lab) dropped(s *step, pod *corev1.Pod) (windows float64) {
	out, _, err := l.Kubectl(s.ctx, nil, "exec", "--namespace", pod.Namespace, pod.Name, "--container", contract.ContainerName, "--", "/usr/local/bin/sidecar", "metrics")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(out) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "} "); ok && name == droppedMetric {
			n, _ := strconv.ParseFloat(value, 64)
			windows += n
		}
	}
	return windows
}

// recordingsFull has the application write into the volume of its recordings until
// that is larger than Kubernetes lets it be: the pod is evicted, as for any emptyDir.
func recordingsFull(s *step) {
	began := time.Now()
	s.samplesSince(began)
	pod := shared.victim(s)
	filler := fmt.Sprintf("/proc/%d/root%s/app/filler", shared.agent(s, pod), contract.RecordingsPath)
	file, err := os.Create(filler)
	s.must(err)
	defer file.Close()
	limit := sizeLimit(s, pod, contract.RecordingsVolume)
	s.must(syscall.Fallocate(int(file.Fd()), 0, 0, limit+1<<20))
	filled := time.Now()
	s.until("the kubelet evicts the pod", func() (bool, string) {
		now, err := shared.Client.CoreV1().Pods(faultNamespace).Get(s.ctx, pod.Name, metav1.GetOptions{})
		s.must(err)
		return now.Status.Reason == "Evicted", now.Status.Message
	})
	s.measure("evicted after %.0f s", time.Since(filled).Seconds())
	s.must(shared.Client.CoreV1().Pods(faultNamespace).Delete(s.ctx, pod.Name, metav1.DeleteOptions{})) // what is left of it
	shared.readyPods(s, faultNamespace, victimSelector, 1)
	s.samplesSince(time.Now()) // of its successor
	got := s.accounted(faultNamespace, "victim", began.Add(10*time.Second), time.Now().Add(-20*time.Second))
	windows := got.Coverage.Windows
	if windows.Lost > 0 && len(got.Coverage.told()) == 0 {
		s.Errorf("%d windows are lost without a reason", windows.Lost)
	}
	s.measure("windows expected %d, stored %d, lost %d; losses %+v", windows.Expected, windows.Stored, windows.Lost, got.Coverage.told())
	s.ledgerAddsUp("victim", got)
}

// sizeLimit is that of the first volume with a prefix.
func sizeLimit(s *step, pod *corev1.Pod, prefix string) int64 {
	s.Helper()
	for _, volume := range pod.Spec.Volumes {
		if strings.HasPrefix(volume.Name, prefix) && volume.EmptyDir != nil && volume.EmptyDir.SizeLimit != nil {
			return volume.EmptyDir.SizeLimit.Value()
		}
	}
	s.Fatalf("pod %s has no volume %s with a limit", pod.Name, prefix)
	return 0
}
