package inject

import (
	"bufio"
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/sidecar/contract"
)

// TestTruthTable reads the table from the package comment, so that the two
// cannot differ, and tries each row with several ways to write "invalid".
func TestTruthTable(t *testing.T) {
	rows := truthTable(t)
	if len(rows) != 16 {
		t.Fatalf("%d rows in the package comment, want 4 x 4", len(rows))
	}
	spellings := map[string][]string{
		"true": {"true"}, "false": {"false"}, "absent": {absent},
		"invalid": {"", "True", "yes", "1", "enabled", " true", "\x00", strings.Repeat("true", 1000)},
	}
	for _, row := range rows {
		want := Reason(row[2])
		if row[2] == "inject" {
			want = Injected
		}
		for _, podValue := range spellings[row[0]] {
			for _, nsValue := range spellings[row[1]] {
				pod, ns := simplePod(podValue), namespaceWith(nsValue)
				if got := Decide(pod, ns, testConfig()); got.Reason() != want || got.Inject != (want == Injected) {
					t.Errorf("pod %.20q, namespace %.20q: %s, want %s", podValue, nsValue, got.Reason(), want)
				}
				if row[1] == "absent" && Decide(pod, nil, testConfig()).Reason() != want {
					t.Errorf("pod %.20q, unknown namespace: not %s", podValue, want)
				}
			}
		}
	}
}

const absent = "(absent)"

func truthTable(t *testing.T) [][]string {
	t.Helper()
	f, err := os.Open("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var rows [][]string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(strings.TrimPrefix(lines.Text(), "//"))
		if len(fields) == 3 && strings.Contains("true false absent invalid", fields[0]) && strings.Contains("true false absent invalid", fields[1]) {
			rows = append(rows, fields)
		}
	}
	return rows
}

func simplePod(enabled string) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "app-1", Namespace: "shop"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app:1"}}},
	}
	if enabled != absent {
		pod.Annotations = map[string]string{contract.Enabled: enabled}
	}
	return pod
}

func namespaceWith(enabled string) *Namespace {
	ns := &Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
	if enabled != absent {
		ns.Labels = map[string]string{contract.Enabled: enabled}
	}
	return ns
}

func TestPodAnnotationBeatsPodLabel(t *testing.T) {
	pod := simplePod("false")
	pod.Labels = map[string]string{contract.Enabled: "true"}
	if d := Decide(pod, nil, testConfig()); d.Reason() != OptedOut {
		t.Errorf("%s, want %s", d.Reason(), OptedOut)
	}
}

// TestNamespaceOfARequest: in an admission request the pod may not name its
// namespace yet.
func TestNamespaceOfARequest(t *testing.T) {
	pod := simplePod("true")
	pod.Namespace = ""
	ns := &Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kube-system"}}
	if d := Decide(pod, ns, testConfig()); d.Reason() != ExcludedNamespace {
		t.Errorf("%s, want %s", d.Reason(), ExcludedNamespace)
	}
}
