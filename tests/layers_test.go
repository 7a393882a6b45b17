package tests

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// layer is a row of the table of layers.
type layer struct {
	packages   []string
	imports    []string // by the ends of their paths
	oneAnother bool     // its packages may import each other
}

const module = "github.com/podflame/podflame/"

// TestLayersAreThoseOfTheCode compares the table of CONTRIBUTING.md with what
// packages import; programs and what only tests import are not in it.
func TestLayersAreThoseOfTheCode(t *testing.T) {
	layers := readLayers(t)
	imports := importsByPackage(t)
	for name, imported := range imports {
		at := slices.IndexFunc(layers, func(l layer) bool { return slices.Contains(l.packages, name) })
		if at < 0 {
			t.Errorf("package %s is in no row of the table of layers", name)
			continue
		}
		for _, other := range imported {
			if !layers[at].allows(other) {
				t.Errorf("package %s imports %s, which its row of the table of layers does not say", name, other)
			}
		}
	}
	for _, row := range layers {
		var used []string
		for _, name := range row.packages {
			if _, ok := imports[name]; !ok {
				t.Errorf("the table of layers names package %s, which there is not", name)
			}
			used = append(used, imports[name]...)
		}
		for _, name := range row.imports {
			if !slices.ContainsFunc(used, func(path string) bool { return endsWith(path, name) }) {
				t.Errorf("none of %v imports %s, as the table of layers says", row.packages, name)
			}
		}
	}
}

func (l layer) allows(path string) bool {
	return l.oneAnother && slices.Contains(l.packages, path) ||
		slices.ContainsFunc(l.imports, func(name string) bool { return endsWith(path, name) })
}

func endsWith(path, name string) bool { return path == name || strings.HasSuffix(path, "/"+name) }

var (
	quoted = regexp.MustCompile("`([^`]+)`")
	braces = regexp.MustCompile(`^(.*)\{(.*)\}$`)
)

func readLayers(t *testing.T) (layers []layer) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "\n## Layers\n")
	table, _, _ = strings.Cut(table, "\n## ")
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 5 || !strings.Contains(cells[2], "`") {
			continue
		}
		if kind := strings.TrimSpace(cells[1]); kind == "programs" || kind == "tests" {
			continue
		}
		row := layer{oneAnother: strings.Contains(cells[3], "one another")}
		for _, name := range quoted.FindAllStringSubmatch(cells[2], -1) {
			row.packages = append(row.packages, expand(name[1])...)
		}
		for _, name := range quoted.FindAllStringSubmatch(cells[3], -1) {
			row.imports = append(row.imports, name[1])
		}
		layers = append(layers, row)
	}
	if len(layers) < 10 {
		t.Fatalf("CONTRIBUTING.md has %d rows of layers", len(layers))
	}
	return layers
}

// expand turns a/{b,c} into a/b and a/c.
func expand(name string) (names []string) {
	parts := braces.FindStringSubmatch(name)
	if parts == nil {
		return []string{name}
	}
	for end := range strings.SplitSeq(parts[2], ",") {
		names = append(names, parts[1]+end)
	}
	return names
}

// forTests are packages that only tests import.
var forTests = regexp.MustCompile(`(test|/testca|/torture|/load)$`)

// importsByPackage lists what each package imports of ours, without its tests.
func importsByPackage(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, folder := range []string{"backend", "certs", "reason", "sidecar", "webhook"} {
		err := filepath.WalkDir(filepath.Join("..", folder), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			name := filepath.ToSlash(strings.TrimPrefix(filepath.Dir(path), "../"))
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
			if err != nil || file.Name.Name == "main" || forTests.MatchString(name) {
				return err
			}
			if _, ok := found[name]; !ok {
				found[name] = nil // there, also if it imports nothing
			}
			for _, spec := range file.Imports {
				if other, ok := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), module); ok {
					found[name] = append(found[name], other)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}
