package cluster

import (
	"context"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// testTimeout bounds each test; all waits within are bounded by it.
const testTimeout = 5 * time.Minute

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	t.Cleanup(cancel)
	return ctx
}

// TestOverlaysAreAccepted shows that the server accepts each overlay, without
// a warning: the namespace warns of what Pod Security restricted would refuse.
func TestOverlaysAreAccepted(t *testing.T) {
	for _, overlay := range []string{"quickstart", "external-clickhouse", "cert-manager", "demo", "monitoring"} {
		t.Run(overlay, func(t *testing.T) {
			ctx := testContext(t)
			path := overlayPath(t, overlay)
			rendered, _, err := shared.Kubectl(ctx, nil, "kustomize", path)
			if err != nil {
				t.Fatal(err)
			}
			createNamespaces(t, rendered)
			out, warnings, err := shared.Kubectl(ctx, strings.NewReader(rendered), "apply", "--dry-run=server", "-f", "-")
			if err != nil {
				t.Fatal(err)
			}
			// The installed objects were changed by the webhook (caBundle) and by
			// the test (Service), never by hand: kubectl has nothing to warn of.
			if warnings != "" {
				t.Errorf("the server warns: %s", warnings)
			}
			if objects := strings.Count(rendered, "\nkind: "); strings.Count(out, "(server dry run)") < objects {
				t.Errorf("accepted fewer than the %d objects:\n%s", objects, out)
			}
		})
	}
}

func overlayPath(t testing.TB, overlay string) string {
	t.Helper()
	if overlay == "monitoring" {
		// A component needs something that includes it, as a user's own would.
		return filepath.Join(shared.root, "tests", "cluster", "testdata", "monitoring")
	}
	return filepath.Join(shared.root, "manifests", "overlays", overlay)
}

// createNamespaces creates the namespaces of a rendered overlay, as a dry run
// cannot put anything into a namespace that does not exist.
func createNamespaces(t testing.TB, rendered string) {
	t.Helper()
	for document := range strings.SplitSeq(rendered, "\n---\n") {
		var namespace corev1.Namespace
		if err := yaml.Unmarshal([]byte(document), &namespace); err != nil {
			t.Fatal(err)
		}
		if namespace.Kind != "Namespace" || namespace.Name == systemNamespace {
			continue
		}
		if _, _, err := shared.Kubectl(testContext(t), strings.NewReader(document), "apply", "-f", "-"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { deleteNamespace(t, namespace.Name) })
	}
}

func deleteNamespace(t testing.TB, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	if err := shared.Client.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
		t.Errorf("delete namespace %s: %v", name, err)
	}
}

// TestPodsPassPodSecurity shows that the pods of our Deployments are admitted
// into our namespace, which enforces restricted: they exist.
func TestPodsPassPodSecurity(t *testing.T) {
	ctx := testContext(t)
	namespace, err := shared.Client.CoreV1().Namespaces().Get(ctx, systemNamespace, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if level := namespace.Labels["pod-security.kubernetes.io/enforce"]; level != "restricted" {
		t.Fatalf("namespace %s enforces %q, want restricted", systemNamespace, level)
	}
	for name, want := range map[string]int{"podflame-webhook": 2, "podflame-backend": 1} {
		eventually(t, name+" has its pods", func(ctx context.Context) (bool, string) {
			pods, err := shared.Client.CoreV1().Pods(systemNamespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=" + name})
			if err != nil {
				return false, err.Error()
			}
			return len(pods.Items) == want, strings.Join(shared.creationFailures(ctx, systemNamespace), "; ")
		})
	}
	// The namespace does refuse what is not restricted, so the above means something.
	_, err = shared.Client.CoreV1().Pods(systemNamespace).Create(ctx, plainPod("privileged", func(p *corev1.Pod) {
		p.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{Privileged: new(true)}
	}), metav1.CreateOptions{})
	if err == nil || !strings.Contains(err.Error(), "violates PodSecurity") {
		t.Errorf("creating a privileged pod in our namespace: %v, want a violation of Pod Security", err)
	}
}

// creationFailures are the messages of controllers that could not create pods.
func (w *world) creationFailures(ctx context.Context, namespace string) []string {
	events, err := w.Client.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{FieldSelector: "reason=FailedCreate"})
	if err != nil {
		return []string{err.Error()}
	}
	var messages []string
	for _, event := range events.Items {
		messages = append(messages, event.Message)
	}
	slices.Sort(messages)
	return slices.Compact(messages)
}

// TestImagesAreByVersion shows that no image of ours is pulled by a tag that
// moves.
func TestImagesAreByVersion(t *testing.T) {
	pinned := regexp.MustCompile(`^ghcr\.io/podflame/[a-z]+:\d+\.\d+\.\d+$|@sha256:[0-9a-f]{64}$`)
	image := regexp.MustCompile(`(?m)(?:image:|PODFLAME_SIDECAR_IMAGE:) (\S+)$`)
	for _, overlay := range []string{"quickstart", "external-clickhouse", "cert-manager", "demo"} {
		rendered, _, err := shared.Kubectl(testContext(t), nil, "kustomize", overlayPath(t, overlay))
		if err != nil {
			t.Fatal(err)
		}
		found := image.FindAllStringSubmatch(rendered, -1)
		if len(found) == 0 {
			t.Errorf("%s: no image found", overlay)
		}
		for _, match := range found {
			if !pinned.MatchString(match[1]) {
				t.Errorf("%s: image %s is neither a version of ours nor pinned by digest", overlay, match[1])
			}
		}
	}
}

// TestApplyTwice shows that a second apply changes nothing, above all not what
// the webhook has written into its own objects.
func TestApplyTwice(t *testing.T) {
	ctx := testContext(t)
	startWebhook(t, 1)
	before, err := shared.Client.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(ctx, "podflame", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(before.Webhooks[0].ClientConfig.CABundle) == 0 {
		t.Fatal("the webhook is ready, but caBundle is empty")
	}
	overlay, err := shared.testOverlay()
	if err != nil {
		t.Fatal(err)
	}
	if difference, _, err := shared.Kubectl(ctx, nil, "diff", "-k", overlay); err != nil {
		t.Errorf("a second apply would change: %s %v", difference, err)
	}
	if _, warnings, err := shared.Kubectl(ctx, nil, "apply", "-k", overlay); err != nil || warnings != "" {
		t.Errorf("second apply: %v, warnings %q", err, warnings)
	}
	after, err := shared.Client.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(ctx, "podflame", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if before.ResourceVersion != after.ResourceVersion {
		t.Errorf("the second apply changed the webhook configuration")
	}
}
