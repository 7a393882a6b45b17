package manifest

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podflame/podflame/webhook/internal/inject"
)

var update = flag.Bool("update", false, "write the golden files anew")

func testOptions() Options {
	cfg := inject.DefaultConfig()
	cfg.Image = "registry.example/podflame/sidecar:1.0.0"
	cfg.Version = "1.0.0"
	cfg.Cluster = "test"
	cfg.Backend = "https://podflame-backend.podflame.svc:8443"
	cfg.ServerVersion = "1.34.4"
	return Options{Config: cfg, Namespace: "default"}
}

// inject1 injects into one source.
func inject1(text []byte, options Options) ([]byte, []Result, error) {
	return Inject([]Source{{Name: "input", Text: text}}, options)
}

// TestGolden compares the manifests after injection with the file beside each.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, ".golden.yaml") {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			output, results := injectFile(t, file)
			got := append(summary(results), output...)
			compareGolden(t, strings.TrimSuffix(file, ".yaml")+".golden.yaml", got)
			again, _, err := inject1(output, testOptions())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(output), string(again)); diff != "" {
				t.Errorf("the second call changes the output:\n%s", diff)
			}
		})
	}
}

func injectFile(t *testing.T, file string) ([]byte, []Result) {
	t.Helper()
	input, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	output, results, err := inject1(input, testOptions())
	if err != nil {
		t.Fatal(err)
	}
	return output, results
}

// summary is the decisions as comments.
func summary(results []Result) []byte {
	var text bytes.Buffer
	for _, r := range results {
		fmt.Fprintf(&text, "## %s %s/%s: %s", r.Kind, r.Namespace, r.Name, r.Decision.Reason())
		for _, w := range r.Decision.Warnings {
			fmt.Fprintf(&text, ", warning %s", w.Reason)
		}
		text.WriteString("\n")
	}
	return text.Bytes()
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

// TestLinesStay: an injection adds lines to what people wrote, comments, order
// and unknown fields included, and takes none.
func TestLinesStay(t *testing.T) {
	for _, file := range []string{"testdata/mixed.yaml", "testdata/kinds.yaml"} {
		input, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		output, _ := injectFile(t, file)
		rest := strings.Split(string(output), "\n")
		for line := range strings.SplitSeq(string(input), "\n") {
			i := 0
			for i < len(rest) && rest[i] != line {
				i++
			}
			if i == len(rest) {
				t.Fatalf("%s: line %q is gone or moved", file, line)
			}
			rest = rest[i+1:]
		}
	}
}

// TestUntouchedInputKeepsItsBytes, whatever its line ends and separators.
func TestUntouchedInputKeepsItsBytes(t *testing.T) {
	for _, input := range []string{
		"", "\n", "---\n---\n", "# only a comment\n", "--- # named\na: 1\n--- \nkind: X\n", "kind: A\r\n---\r\nkind:   B\r\n",
		"kind: A # no line end", "apiVersion: v1\nkind: Pod\nmetadata: {name:   p}\nspec: {containers: [{name: a}]}\n",
		"apiVersion: v1\nkind: ConfigMap\ndata:\n  text: |\n    a\n     ---\n    b\n", "%YAML 1.1\n---\nkind: A\n---\nkind: B\n",
	} {
		output, _, err := inject1([]byte(input), testOptions())
		if err != nil {
			t.Errorf("%q: %v", input, err)
		}
		if string(output) != input {
			t.Errorf("%q became %q", input, output)
		}
	}
}

func TestBadInput(t *testing.T) {
	for want, input := range map[string]string{
		"document 2, from line 3":                "kind: A\n---\na: b: c\n",
		"not an object":                          "- a\n- b\n",
		`Deployment "d" has no spec.template`:    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec: {}\n",
		"the pod has no containers":              "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {}\n",
		"cannot unmarshal string":                "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: none}\n",
		"apiVersion, kind and metadata":          "kind: [a]\n",
		"nested more than":                       nestedLists(maxDepth + 2),
		"more than 16777216 bytes; split it":     strings.Repeat(" ", MaxBytes+1),
		"10001 documents":                        strings.Repeat("---\n", MaxDocuments),
		"item 1: Pod \"q\":":                     "kind: List\napiVersion: v1\nitems:\n- {kind: X}\n- {apiVersion: v1, kind: Pod, metadata: {name: q}, spec: {}}\n",
		"two documents without a line ---":       "a: 1\n...\nb: 2\n",
		"excessive aliasing":                     aliasBomb(),
		"read apiVersion, kind and metadata: er": "kind: Pod\nmetadata: 3\n",
	} {
		output, results, err := inject1([]byte(input), testOptions())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
		if output != nil || results != nil {
			t.Errorf("%q: output beside the error", want)
		}
	}
}

func nestedLists(depth int) string {
	return strings.Repeat(`{"apiVersion": "v1", "kind": "List", "items": [`, depth) + strings.Repeat("]}", depth)
}

// aliasBomb is small and means 10^9 words.
func aliasBomb() string {
	var text strings.Builder
	text.WriteString("l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 9; i++ {
		fmt.Fprintf(&text, "l%d: &l%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*l%d, ", i-1), 10), ", "))
	}
	return text.String()
}

// TestNamespaceLabels are used for namespaces that the input does not hold.
func TestNamespaceLabels(t *testing.T) {
	pod := "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: %s}\nspec: {containers: [{name: a, image: a}]}\n---\n"
	input := fmt.Sprintf(pod, "here") + fmt.Sprintf(pod, "elsewhere") + "apiVersion: v1\nkind: Namespace\nmetadata: {name: here}\n"
	options := testOptions()
	options.NamespaceLabels = map[string]string{"profiling.io/enabled": "true"}
	_, results, err := inject1([]byte(input), options)
	if err != nil {
		t.Fatal(err)
	}
	var got []inject.Reason
	for _, r := range results {
		got = append(got, r.Decision.Reason())
	}
	if diff := cmp.Diff([]inject.Reason{inject.NotRequested, inject.Injected}, got); diff != "" {
		t.Error(diff)
	}
}

// FuzzInject: no input makes it panic, and what it wrote it can read.
func FuzzInject(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(aliasBomb()))
	f.Fuzz(func(t *testing.T, input []byte) {
		output, results, err := inject1(input, testOptions())
		if err != nil {
			return
		}
		again, second, err := inject1(output, testOptions())
		if err != nil {
			t.Fatalf("own output: %v\n%s", err, output)
		}
		if len(results) != len(second) {
			t.Errorf("%d pods, then %d", len(results), len(second))
		}
		if !bytes.Equal(output, again) && len(results) > 0 {
			t.Errorf("the second call changes the output:\n%s", cmp.Diff(string(output), string(again)))
		}
	})
}
