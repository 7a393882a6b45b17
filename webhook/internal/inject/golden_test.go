package inject

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	gomodules "gomodules.xyz/jsonpatch/v2"
	corev1 "k8s.io/api/core/v1"
	psaapi "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	statusPath    = "/metadata/annotations/profiling.io~1status"
	evictablePath = "/metadata/annotations/cluster-autoscaler.kubernetes.io~1safe-to-evict-local-volumes"
)

// testConfig is what the golden files are made with.
func testConfig() Config {
	cfg := DefaultConfig()
	cfg.Image = "registry.example/podflame/sidecar:1.0.0"
	cfg.ImagePullPolicy = corev1.PullIfNotPresent
	cfg.Version = "1.0.0"
	cfg.Cluster = "test"
	cfg.Backend = "https://podflame-backend.podflame.svc:8443"
	cfg.ServerVersion = "1.34.4"
	return cfg
}

// TestGolden compares decision and patch of every pod in testdata/golden with
// the file beside it, and holds each pod to the laws.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*.pod.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 40 {
		t.Fatalf("%d golden pods, want at least 40", len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".pod.yaml"), func(t *testing.T) {
			pod, ns, cfg := readCase(t, file)
			d := Decide(pod, ns, cfg)
			ops := checkLaws(t, pod, ns, cfg)
			compareGolden(t, strings.TrimSuffix(file, ".pod.yaml")+".golden.yaml", golden(t, d, ops))
		})
	}
}

// golden is the decision, what a person reads, and the JSON patch, of which the
// library chooses the order by chance.
func golden(t *testing.T, d Decision, ops []gomodules.Operation) []byte {
	t.Helper()
	slices.SortStableFunc(ops, func(a, b gomodules.Operation) int { return strings.Compare(a.Path, b.Path) })
	text, err := yaml.Marshal(map[string]any{
		"inject": d.Inject, "reasons": d.Reasons, "messages": d.Messages(), "patch": ops,
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func compareGolden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (run the test with -update)", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("differs from %s (-want +got):\n%s", file, diff)
	}
}

// readCase reads a pod, what is before it of its namespace (the Namespace
// itself, LimitRanges, ResourceQuotas), and the changes to configuration or pod
// in the line "# config:".
func readCase(t testing.TB, file string) (*corev1.Pod, *Namespace, Config) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var ns *Namespace
	var pod corev1.Pod
	documents := strings.Split(string(text), "\n---\n")
	last := len(documents) - 1
	for _, document := range documents[:last] {
		if ns == nil {
			ns = &Namespace{}
		}
		readSurroundings(t, document, ns)
	}
	decode(t, documents[last], &pod)
	return &pod, ns, caseConfig(t, string(text), &pod, ns)
}

func readSurroundings(t testing.TB, document string, ns *Namespace) {
	t.Helper()
	switch {
	case strings.Contains(document, "kind: LimitRange"):
		ns.LimitRanges = append(ns.LimitRanges, corev1.LimitRange{})
		decode(t, document, &ns.LimitRanges[len(ns.LimitRanges)-1])
	case strings.Contains(document, "kind: ResourceQuota"):
		ns.Quotas = append(ns.Quotas, corev1.ResourceQuota{})
		decode(t, document, &ns.Quotas[len(ns.Quotas)-1])
	default:
		var object corev1.Namespace
		decode(t, document, &object)
		ns.ObjectMeta = object.ObjectMeta
	}
}

func caseConfig(t testing.TB, text string, pod *corev1.Pod, ns *Namespace) Config {
	t.Helper()
	cfg := testConfig()
	_, line, found := strings.Cut(text, "# config: ")
	if !found {
		return cfg
	}
	line, _, _ = strings.Cut(line, "\n")
	for word := range strings.FieldsSeq(line) {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "server":
			cfg.ServerVersion = value
		case "native":
			native := value == "true"
			cfg.Native = &native
		case "ptrace":
			cfg.AllowSysPtrace = true
		case "root-in-non-root":
			cfg.RootInNonRootPods = true
		case "settings":
			tune(t, &cfg, value)
		case "pull-secret":
			cfg.PullSecrets = append(cfg.PullSecrets, value)
		case "missing":
			ns.Missing = number(t, value)
		case "unpullable":
			ns.Unpullable = value
		case "annotation-bytes":
			pod.Annotations["notes"] = strings.Repeat("x", number(t, value))
		default:
			t.Fatalf("configuration %q is not known", word)
		}
	}
	return cfg
}

// tune sets flag=value;... for all sidecars.
func tune(t fataler, cfg *Config, list string) {
	t.Helper()
	values := map[string]string{}
	for pair := range strings.SplitSeq(list, ";") {
		flag, value, _ := strings.Cut(pair, "=")
		values[flag] = value
	}
	var err error
	if cfg.Settings, cfg.Tuned, err = cfg.Settings.Tune(values); err != nil {
		t.Fatalf("settings %q: %v", list, err)
	}
}

func number(t testing.TB, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func decode(t testing.TB, text string, into any) {
	t.Helper()
	if err := yaml.UnmarshalStrict([]byte(text), into); err != nil {
		t.Fatal(err)
	}
}

// fataler is what testing.T, testing.B and rapid.T have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// checkLaws holds one pod to what is promised of all, and returns the patch.
func checkLaws(t fataler, pod *corev1.Pod, ns *Namespace, cfg Config) []gomodules.Operation {
	t.Helper()
	original := pod.DeepCopy()
	d := Decide(pod, ns, cfg)
	out := Apply(pod, d, cfg)
	if diff := cmp.Diff(original, pod); diff != "" {
		t.Fatalf("the input changed (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(d, Decide(original, ns, cfg), quantities); diff != "" {
		t.Fatalf("the same pod, another decision:\n%s", diff)
	}
	ops := checkPatch(t, pod, out)
	checkOutcome(t, pod, out, d)
	checkFixpoint(t, out, d, ns, cfg)
	checkLevels(t, pod, out, cfg)
	checkLimits(t, pod, out, ns)
	checkValid(t, out)
	return ops
}

// checkPatch makes the patch as the webhook does, and applies it as the API
// server does. The patch must not remove or move anything.
func checkPatch(t fataler, pod, out *corev1.Pod) []gomodules.Operation {
	t.Helper()
	before, after := marshal(t, pod), marshal(t, out)
	ops, err := gomodules.CreatePatch(before, after)
	if err != nil {
		t.Fatalf("make patch: %v", err)
	}
	for _, op := range ops {
		if op.Operation == "replace" && !mayReplace(op.Path) && !HasSidecar(pod) {
			t.Errorf("patch replaces %s", op.Path)
		}
		if op.Operation == "remove" {
			t.Errorf("patch removes %s", op.Path)
		}
	}
	patch, err := jsonpatch.DecodePatch(marshal(t, ops))
	if err != nil {
		t.Fatalf("read patch: %v", err)
	}
	patched, err := patch.Apply(before)
	if err != nil {
		t.Fatalf("apply patch: %v", err)
	}
	if !jsonpatch.Equal(patched, after) {
		t.Errorf("the patch makes another pod:\n%s", cmp.Diff(string(after), string(patched)))
	}
	return ops
}

// mayReplace: annotations of others and of earlier calls that we extend, and the
// resources of the pod as a whole.
func mayReplace(path string) bool {
	isMesh := slices.ContainsFunc(meshes, func(m mesh) bool {
		return path == "/metadata/annotations/"+strings.ReplaceAll(m.annotation, "/", "~1")
	})
	return isMesh || path == statusPath || path == evictablePath || strings.HasPrefix(path, "/spec/resources/")
}

// checkOutcome: what did not ask is untouched, what is skipped differs in its
// status at most, and every outcome has a reason.
func checkOutcome(t fataler, pod, out *corev1.Pod, d Decision) {
	t.Helper()
	if len(d.Reasons) == 0 || d.Inject != (d.Reason() == Injected) {
		t.Fatalf("Inject is %v with reasons %v", d.Inject, d.Reasons)
	}
	if d.Inject {
		if !HasSidecar(out) {
			t.Errorf("injected, but HasSidecar does not see it")
		}
		return
	}
	before, after := pod.DeepCopy(), out.DeepCopy()
	if d.Asked() {
		before.Annotations, after.Annotations = withoutStatus(before.Annotations), withoutStatus(after.Annotations)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("skipped for %s, but changed:\n%s", d.Reason(), diff)
	}
}

func withoutStatus(annotations map[string]string) map[string]string {
	rest := map[string]string{}
	for key, value := range annotations {
		if key != "profiling.io/status" {
			rest[key] = value
		}
	}
	return rest
}

func checkFixpoint(t fataler, out *corev1.Pod, first Decision, ns *Namespace, cfg Config) {
	t.Helper()
	d := Decide(out, ns, cfg)
	if diff := cmp.Diff(string(marshal(t, out)), string(marshal(t, Apply(out, d, cfg)))); diff != "" {
		t.Errorf("the second call changes the pod:\n%s", diff)
	}
	want := first.Reason()
	if want == Injected {
		want = AlreadyInjected
	}
	if d.Reason() != want {
		t.Errorf("the second call says %s, want %s", d.Reason(), want)
	}
}

// checkLevels: a pod that passes a Pod Security level passes it afterwards. The
// administrator may give this up for restricted.
func checkLevels(t fataler, pod, out *corev1.Pod, cfg Config) {
	t.Helper()
	if !passes(t, psaapi.LevelBaseline, out) && passes(t, psaapi.LevelBaseline, pod) {
		t.Errorf("the pod passed level baseline and no longer does")
	}
	if !cfg.RootInNonRootPods && !passes(t, psaapi.LevelRestricted, out) && passes(t, psaapi.LevelRestricted, pod) {
		t.Errorf("the pod passed level restricted and no longer does")
	}
}

func passes(t fataler, level psaapi.Level, pod *corev1.Pod) bool {
	t.Helper()
	judge, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatalf("make evaluator: %v", err)
	}
	results := judge.EvaluatePod(psaapi.LevelVersion{Level: level, Version: psaapi.LatestVersion()}, &pod.ObjectMeta, &pod.Spec)
	return policy.AggregateCheckResults(results).Allowed
}

func marshal(t fataler, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("marshal: %v", err)
	}
	return text
}
