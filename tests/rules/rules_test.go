// Package rules tests the Prometheus rules that the manifests ship.
package rules

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
	"sigs.k8s.io/yaml"
)

const root = "../.."

type rule struct {
	Alert, Expr         string
	Labels, Annotations map[string]string
}

func rules(t *testing.T) []rule {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "manifests/components/prometheusrules/prometheusrule.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var object struct {
		Kind string
		Spec struct{ Groups []struct{ Rules []rule } }
	}
	if err := yaml.Unmarshal(text, &object); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, group := range object.Spec.Groups {
		all = append(all, group.Rules...)
	}
	if object.Kind != "PrometheusRule" || len(all) < 6 {
		t.Fatalf("%s has %d rules", object.Kind, len(all))
	}
	return all
}

// Prometheus reads each expression, every metric in it is one of ours, and who is
// told learns what to do.
func TestRulesAreOfOurMetrics(t *testing.T) {
	known := metrics(t)
	for _, r := range rules(t) {
		expression, err := parser.NewParser(parser.Options{}).ParseExpr(r.Expr)
		if err != nil {
			t.Errorf("%s: %v", r.Alert, err)
			continue
		}
		selectors := 0
		parser.Inspect(expression, func(node parser.Node, _ []parser.Node) error {
			if s, ok := node.(*parser.VectorSelector); ok {
				selectors++
				if !known[s.Name] {
					t.Errorf("%s asks for %s, which no program has", r.Alert, s.Name)
				}
			}
			return nil
		})
		if selectors == 0 || expression.Type() == parser.ValueTypeString {
			t.Errorf("%s asks for no metric", r.Alert)
		}
		if r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s does not say how bad it is and what to do", r.Alert)
		}
	}
}

// metrics are the names in the sources of the programs.
func metrics(t *testing.T) map[string]bool {
	t.Helper()
	name, found := regexp.MustCompile(`"(podflame_[a-z0-9_]+)"`), map[string]bool{}
	for _, program := range []string{"backend", "webhook", "certs"} {
		err := filepath.WalkDir(filepath.Join(root, program), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			source, err := os.ReadFile(path)
			for _, match := range name.FindAllSubmatch(source, -1) {
				found[string(match[1])] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}
