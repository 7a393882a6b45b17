// Package tests holds what looks at the repository as a whole; its folders hold
// the tests that cross processes.
package tests

import (
	"flag"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podflame/podflame/reason"
)

var update = flag.Bool("update", false, "write the generated documents")

// TestTroubleshootingIsTheTableOfReasons fails when the page differs from what
// the table of reasons says; -update (make golden) writes it.
func TestTroubleshootingIsTheTableOfReasons(t *testing.T) {
	isGenerated(t, "troubleshooting.md", troubleshooting(), "the table of reasons says")
}

// isGenerated fails when a page of docs differs from what its source makes of it;
// -update writes it.
func isGenerated(t *testing.T, page, want, source string) {
	t.Helper()
	path := filepath.Join("..", "docs", page)
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what %s: run make golden", path, source)
	}
}

func troubleshooting() string {
	var page strings.Builder
	page.WriteString("# Troubleshooting\n\nWritten from the table of reasons (package `reason`) by `make golden`; do not edit.\n\n" +
		"A reason code is the same in log, metric label, API, annotation, Event and UI:\nsearch for it where you see it.\n\n" +
		"Flags (`--max-stacks`) are set by environment variables, as `--help` of each program says:\n" +
		"those of the sidecar for all pods in\n[`PODFLAME_SIDECAR_SETTINGS`](../manifests/README.md#for-all-pods) of the webhook, those of backend\n" +
		"and webhook in their [settings](../manifests/README.md#install).\n")
	for _, part := range []struct {
		title string
		texts []reason.Text
	}{
		{"Pods: injected, or why not", reason.Outcomes()},
		{"Pods: injected, but not quite as asked", reason.Warnings()},
		{"Pods: injected, and what the audit sees of the sidecar", reason.Sidecars()},
		{"JVMs, losses, uploads and queries", reason.Profiling()},
	} {
		fmt.Fprintf(&page, "\n## %s\n\n| reason | what happened | what to do |\n|---|---|---|\n", part.title)
		for _, text := range part.texts {
			fmt.Fprintf(&page, "| `%s` | %s | %s |\n", text.Reason, strings.ReplaceAll(text.Text, "|", "\\|"), strings.ReplaceAll(text.Remedy, "|", "\\|"))
		}
	}
	return page.String()
}

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
