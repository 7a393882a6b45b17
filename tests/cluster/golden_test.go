package cluster

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/podflame/podflame/sidecar/contract"
)

// goldenNamespace is one that the webhook's configuration excludes, so that the
// API server alone judges the pods.
const goldenNamespace = "kube-public"

// TestAPIServerTakesInjectedPods: every golden pod of the injection that the
// API server takes, it takes with the sidecar too; and what it stores, with all
// its defaults filled in, the next injection finds in order.
func TestAPIServerTakesInjectedPods(t *testing.T) {
	ensureServiceAccount(t)
	if injected := judgeAll(t, filepath.Join(shared.root, "webhook/internal/inject/testdata/golden")); injected < 40 {
		t.Errorf("%d pods were injected and judged, want at least 40", injected)
	}
}

// TestAPIServerTakesPodsOfOthers is the same for the pods that TestCorpus of the
// injection has written to the folder CORPUS_PODS.
func TestAPIServerTakesPodsOfOthers(t *testing.T) {
	folder := os.Getenv("CORPUS_PODS")
	if folder == "" {
		t.Skip("CORPUS_PODS names no folder with pods of other projects")
	}
	ensureServiceAccount(t)
	t.Logf("%d pods were injected and judged", judgeAll(t, folder))
}

// judgeAll returns how many pods of a folder were injected and judged.
func judgeAll(t *testing.T, folder string) (injected int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.pod.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d pods in %s: %v", len(files), folder, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".pod.yaml"), func(t *testing.T) {
			if stored := judge(t, file); stored != nil {
				injected++
				checkSettled(t, stored, append(flagsOf(t, file), "--namespace-labels", namespaceLabels(t, file)))
			}
		})
	}
	return injected
}

// judge returns the injected pod as the API server would store it; nil if
// there is nothing to judge.
func judge(t *testing.T, file string) *corev1.Pod {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tryManifest(t, lastDocument(text)); err != nil {
		t.Skipf("the API server does not take the pod itself: %v", err)
	}
	output, decisions := injectCommand(t, text, flagsOf(t, file)...)
	stored, err := tryManifest(t, lastDocument(output))
	if err != nil {
		t.Fatalf("the API server takes the pod, but not with the sidecar: %v", err)
	}
	if !strings.Contains(decisions, ": injected (") {
		return nil
	}
	return stored
}

// checkSettled injects into a pod that the API server gave back.
func checkSettled(t *testing.T, stored *corev1.Pod, flags []string) {
	t.Helper()
	stored.APIVersion, stored.Kind, stored.Namespace = "v1", "Pod", "shop"
	text, err := yaml.Marshal(stored)
	if err != nil {
		t.Fatal(err)
	}
	output, decisions := injectCommand(t, text, flags...)
	if !strings.Contains(decisions, ": already_injected") || !bytes.Equal(text, output) {
		t.Errorf("the second injection changes the pod: %s", decisions)
	}
}

// namespaceLabels are those of the namespace in a golden file, which asks for
// injection in any case.
func namespaceLabels(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	list := []string{contract.Enabled + "=true"}
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		var object metav1.PartialObjectMetadata
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Fatal(err)
		}
		if object.Kind != "Namespace" {
			continue
		}
		for key, value := range object.Labels {
			if key != contract.Enabled {
				list = append(list, key+"="+value)
			}
		}
	}
	return strings.Join(list, ",")
}

// injectCommand is "webhook inject"; code 3 says that no pod was injected.
func injectCommand(t *testing.T, input []byte, flags ...string) (output []byte, decisions string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), setupTimeout)
	defer cancel()
	command := exec.CommandContext(ctx, shared.program, append([]string{"inject", "-f", "-"}, flags...)...)
	var stdout, stderr bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = bytes.NewReader(input), &stdout, &stderr
	var exit *exec.ExitError
	if err := command.Run(); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 3) {
		t.Fatalf("%v: %v: %s", command.Args, err, stderr.String())
	}
	return stdout.Bytes(), stderr.String()
}

// flagsOf are the flags for what a golden file says in its line "# config:".
func flagsOf(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(text), "# config: ")
	line, _, _ = strings.Cut(line, "\n")
	var flags []string
	for word := range strings.FieldsSeq(line) {
		key, value, _ := strings.Cut(word, "=")
		switch {
		case key == "server" && value != "":
			flags = append(flags, "--server-version", value)
		case key == "ptrace":
			flags = append(flags, "--allow-sys-ptrace")
		case key == "root-in-non-root":
			flags = append(flags, "--root-in-non-root-pods")
		}
	}
	return flags
}

func lastDocument(text []byte) []byte {
	documents := bytes.Split(text, []byte("\n---\n"))
	return documents[len(documents)-1]
}

// tryManifest asks the API server to do all but store the pod.
func tryManifest(t *testing.T, manifest []byte) (*corev1.Pod, error) {
	t.Helper()
	var pod corev1.Pod
	if err := yaml.UnmarshalStrict(manifest, &pod); err != nil {
		t.Fatal(err)
	}
	pod.Namespace = goldenNamespace
	return shared.Client.CoreV1().Pods(goldenNamespace).Create(t.Context(), &pod, metav1.CreateOptions{
		DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict,
	})
}

func ensureServiceAccount(t *testing.T) {
	t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
	_, err := shared.Client.CoreV1().ServiceAccounts(goldenNamespace).Create(t.Context(), account, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
}
