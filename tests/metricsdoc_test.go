package tests

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// metric is one that a program declares.
type metric struct {
	name, kind, help string
	labels           []string
}

// TestMetricsAreDocumented fails when the page of metrics differs from what the
// sources declare; -update (make golden) writes it.
func TestMetricsAreDocumented(t *testing.T) {
	isGenerated(t, "metrics.md", metricsPage(t), "the sources declare")
}

func metricsPage(t *testing.T) string {
	t.Helper()
	var page strings.Builder
	page.WriteString("# Metrics\n\nWritten from the sources by `make golden`; do not edit.\n\n" +
		"Reason codes in labels are explained in [Troubleshooting](troubleshooting.md). Alerts are in\n" +
		"[components/prometheusrules](../manifests/components/prometheusrules/prometheusrule.yaml). Each program\n" +
		"also has the metrics of its Go runtime and process (`process_cpu_seconds_total`,\n`process_resident_memory_bytes`).\n")
	for _, part := range []struct {
		title, where string
		folders      []string
	}{
		{"Backend", "Port 8081, `/metrics`.", []string{"backend"}},
		{"Webhook", "Port 8080, `/metrics`.", []string{"webhook", "certs/rotate"}},
		{"Backend and webhook: certificates", "", []string{"certs"}},
		{"Sidecar", "`kubectl exec POD -c podflame -- /usr/local/bin/sidecar metrics`; on a port only with the annotation\n`profiling.io/metrics-port`. The backend tells what matters of all sidecars.", []string{"sidecar"}},
	} {
		fmt.Fprintf(&page, "\n## %s\n\n", part.title)
		if part.where != "" {
			fmt.Fprintf(&page, "%s\n\n", part.where)
		}
		page.WriteString("| metric | labels | kind | what it is |\n|---|---|---|---|\n")
		for _, m := range declaredMetrics(t, part.folders) {
			if m.help == "" {
				t.Errorf("the help of %s is no literal", m.name)
			}
			fmt.Fprintf(&page, "| `%s` | %s | %s | %s |\n", m.name, strings.Join(m.labels, ", "), m.kind, strings.ReplaceAll(m.help, "|", "\\|"))
		}
	}
	return page.String()
}

// declaredMetrics are those of the sources below some folders, by name. What is
// below certs/rotate is the webhook's.
func declaredMetrics(t *testing.T, folders []string) (found []metric) {
	t.Helper()
	metricName, named := regexp.MustCompile(`^podflame_[a-z0-9_]+$`), []string(nil)
	for _, file := range trackedGoFiles(t, "..") {
		below := func(folder string) bool { return strings.HasPrefix(file, folder+"/") }
		if strings.HasSuffix(file, "_test.go") || !slices.ContainsFunc(folders, below) || below("certs/rotate") && !slices.Contains(folders, "certs/rotate") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", file), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				if name := literal(n); metricName.MatchString(name) {
					named = append(named, name)
				}
			case *ast.CallExpr:
				if m := declared(n); metricName.MatchString(m.name) {
					found = append(found, m)
				}
			}
			return true
		})
	}
	if len(found) == 0 || len(found) != len(named) {
		t.Fatalf("below %v the names of %d metrics stand, and %d declarations are known as such: %v", folders, len(named), len(found), named)
	}
	slices.SortFunc(found, func(a, b metric) int { return strings.Compare(a.name, b.name) })
	return found
}

// declared is what a call such as NewCounterVec(CounterOpts{…}, labels) or
// NewDesc(name, help, labels, nil) declares.
func declared(call *ast.CallExpr) (m metric) {
	function, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) == 0 {
		return m
	}
	m.kind = strings.ToLower(strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(function.Sel.Name, "New"), "Vec"), "Func"))
	switch options, isOptions := call.Args[0].(*ast.CompositeLit); {
	case isOptions:
		m.name, m.help = field(options, "Name"), field(options, "Help")
		m.labels = literals(call.Args[1:])
	case function.Sel.Name == "NewDesc" && len(call.Args) > 2:
		m.name, m.help, m.kind = literal(call.Args[0]), literal(call.Args[1]), "gauge"
		m.labels = literals(call.Args[2:])
	}
	return m
}

// field is the literal value of a field of a composite.
func field(composite *ast.CompositeLit, name string) string {
	for _, e := range composite.Elts {
		pair, isPair := e.(*ast.KeyValueExpr)
		if !isPair {
			continue
		}
		if key, ok := pair.Key.(*ast.Ident); ok && key.Name == name {
			return literal(pair.Value)
		}
	}
	return ""
}

func literal(e ast.Expr) string {
	text, ok := e.(*ast.BasicLit)
	if !ok {
		return ""
	}
	value, err := strconv.Unquote(text.Value)
	if err != nil {
		return ""
	}
	return value
}

// literals are the strings of the first of some arguments, if it is a slice of them.
func literals(arguments []ast.Expr) (values []string) {
	if len(arguments) == 0 {
		return nil
	}
	list, ok := arguments[0].(*ast.CompositeLit)
	if !ok {
		return nil
	}
	for _, e := range list.Elts {
		values = append(values, literal(e))
	}
	return values
}
