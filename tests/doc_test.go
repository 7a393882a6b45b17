// Package tests holds what looks at the repository as a whole; its folders hold
// the tests that cross processes.
package tests

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryPackageSaysWhatItHolds fails for a package without a doc comment.
func TestEveryPackageSaysWhatItHolds(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, file := range trackedGoFiles(t, root) {
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Dir(file)
		documented[dir] = documented[dir] || parsed.Doc != nil && len(strings.Fields(parsed.Doc.Text())) >= 5
	}
	if len(documented) < 10 {
		t.Fatalf("found only %d packages", len(documented))
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("package in %s has no doc comment: say in its first file what it holds and what not", dir)
		}
	}
}

// trackedGoFiles lists the Go files that are part of the project, tests of
// packages without other files included.
func trackedGoFiles(t *testing.T, root string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", "-C", root, "ls-files", "*.go").Output()
	if err != nil {
		t.Fatalf("list the files of the repository: %v", err)
	}
	var files []string
	for file := range strings.FieldsSeq(string(out)) {
		if !fs.ValidPath(file) {
			t.Fatalf("odd path %q", file)
		}
		files = append(files, file)
	}
	return files
}
