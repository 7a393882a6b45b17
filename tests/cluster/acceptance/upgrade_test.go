package acceptance

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/tests/cluster/images"
)

const upgradeNamespace = "acceptance-upgrade"

// refusing is a commit whose backend does not know the windows of today.
const refusing = "8340203"

// upgrade goes from the previous version to this one, the webhook first: for a
// while old sidecars and new ones write to an old backend, then both to a new one.
func upgrade(t *testing.T) {
	const group = "Upgrade"
	shared.skipElsewhere(t, group)
	var from previous
	var began time.Time
	if !require(t, 20*time.Minute, group, "the previous version is built", func(s *step) {
		from = shared.buildPrevious(s)
		s.measure("from %s to %s", from.commit, shared.report.Version)
	}) || !require(t, 5*time.Minute, group, "it is installed, and profiles", func(s *step) {
		shared.emptyVolume(s)
		shared.shell(s, "kubectl apply -k "+filepath.Join(from.manifests, "overlays", "quickstart"))
		shared.shell(s, "kubectl -n podflame-system rollout status deployment/podflame-webhook deployment/podflame-backend --timeout=3m")
		shared.applyText(s, fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n", upgradeNamespace))
		startUpgraded(s, "old", previousTag)
		began = time.Now()
		s.samplesOf(upgradeNamespace, "old", began)
	}) {
		return
	}
	var fresh time.Time
	claimWithin(t, 5*time.Minute, group, "a new sidecar with the old backend: what it does not take is refused with a reason and waits in the spool", func(s *step) {
		shared.applyWebhook(s)
		startUpgraded(s, "new", "")
		fresh = time.Now()
		if refused := oldBackendRefuses(s); from.commit == refusing && !refused {
			s.Errorf("the backend of %s takes windows that it does not know", from.commit)
		}
	})
	claimWithin(t, 6*time.Minute, group, "the new backend: nothing of old and new sidecars is missing", func(s *step) {
		shared.shell(s, "kubectl apply -k manifests/overlays/quickstart")
		shared.shell(s, "kubectl -n podflame-system rollout status deployment/podflame-webhook deployment/podflame-backend --timeout=3m")
		upgraded := time.Now()
		if least := fresh.Add(time.Minute); upgraded.Before(least) {
			upgraded = least // so that what is counted of the new sidecar is some windows
		}
		for _, service := range []string{"old", "new"} {
			s.samplesOf(upgradeNamespace, service, upgraded)
		}
		to := time.Now().Add(-20 * time.Second)
		s.everyWindow(upgradeNamespace, "old", began.Add(20*time.Second), to)
		s.everyWindow(upgradeNamespace, "new", fresh.Add(30*time.Second), to)
		for _, service := range []string{"old", "new"} {
			pod := shared.readyPods(s, upgradeNamespace, "app="+service, 1)[0]
			for container, count := range restartsOf(&pod) {
				if count > 0 {
					s.Errorf("container %s of pod %s was restarted %d times", container, pod.Name, count)
				}
			}
		}
	})
	claim(t, group, "uninstalled again", func(s *step) {
		s.must(shared.Client.CoreV1().Namespaces().Delete(s.ctx, upgradeNamespace, metav1.DeleteOptions{}))
		for _, command := range undoCommands(s) {
			shared.shell(s, command)
		}
	})
}

// startUpgraded starts a workload and demands a sidecar of that tag.
func startUpgraded(s *step, name, tag string) {
	s.Helper()
	w := workload{name: name, namespace: upgradeNamespace, spec: knownUser + containers(java("app", images.JavaName("17"), "", ready))}
	shared.applyText(s, w.manifest())
	pod := shared.readyPods(s, upgradeNamespace, "app="+name, 1)[0]
	sidecar := sidecarOf(&pod)
	if sidecar == nil {
		s.Fatalf("pod %s is not injected; status %q", pod.Name, pod.Annotations[contract.Status])
	}
	if old := strings.HasSuffix(sidecar.Image, ":"+previousTag); old != (tag == previousTag) {
		s.Fatalf("pod %s has the sidecar %s", pod.Name, sidecar.Image)
	}
	s.measure("%s: sidecar %s", name, sidecar.Image)
}

// applyWebhook brings the new webhook alone.
func (l *lab) applyWebhook(s *step) {
	s.Helper()
	folder, err := os.MkdirTemp(l.root, ".acceptance-") // a kustomization names others by relative paths
	s.must(err)
	defer os.RemoveAll(folder)
	text := "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: podflame-system\nlabels: [{pairs: {app.kubernetes.io/part-of: podflame}}]\nresources: [../manifests/base/webhook]\n"
	s.must(os.WriteFile(filepath.Join(folder, "kustomization.yaml"), []byte(text), 0o600))
	l.shell(s, "kubectl apply -k "+filepath.Base(folder))
	l.shell(s, "kubectl -n podflame-system rollout status deployment/podflame-webhook --timeout=3m")
	l.readyPods(s, systemNamespace, "app.kubernetes.io/name=podflame-webhook", 2) // those before serve until they are gone
}

// refusalInLog is how a sidecar tells of a window that a backend does not take. An
// upload that has not got through has other reasons.
var refusalInLog = regexp.MustCompile(`window rejected.*|upload failed.*reason"?[=:]"?unsupported_format`)

// oldBackendRefuses waits until the new sidecar's windows are stored, or its log
// says that they are refused.
func oldBackendRefuses(s *step) (refused bool) {
	s.Helper()
	pod := shared.readyPods(s, upgradeNamespace, "app=new", 1)[0]
	s.until("windows of the new sidecar are stored, or refused with a reason", func() (bool, string) {
		var got top
		err := shared.backend.get(s.ctx, "/api/v1/top", scope(upgradeNamespace, "new", "cpu"), &got)
		if err == nil && got.Total.Count > 0 {
			s.measure("the old backend takes the windows of the new sidecar")
			return true, ""
		}
		log, _, logErr := shared.Kubectl(s.ctx, nil, "logs", "--namespace", pod.Namespace, pod.Name, "--container", contract.ContainerName)
		if found := refusalInLog.FindString(log); found != "" {
			refused = true
			s.measure("the old backend refuses them: %s", found)
			if strings.HasPrefix(found, "window rejected") {
				s.Errorf("windows that the old backend refuses lose their stacks at once")
			}
			return true, ""
		}
		return false, fmt.Sprintf("%+v %v %v", got.Total, err, logErr)
	})
	return refused
}

// emptyVolume makes the volume a new one: its claim has gone with what was
// installed before.
func (l *lab) emptyVolume(s *step) {
	s.Helper()
	l.shell(s, "kubectl delete --ignore-not-found -f "+l.localVolume())
	entries, err := os.ReadDir(l.volumePath())
	s.must(err)
	for _, entry := range entries {
		s.must(os.RemoveAll(filepath.Join(l.volumePath(), entry.Name())))
	}
	l.shell(s, "kubectl apply -f "+l.localVolume())
}
