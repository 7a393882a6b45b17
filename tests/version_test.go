package tests

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestOneVersion: images are made, and named by manifests and chart, by one version.
// A release takes it from the chart and compares it with its tag.
func TestOneVersion(t *testing.T) {
	named := func(path, pattern string) []string {
		t.Helper()
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var versions []string
		for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(content), -1) {
			versions = append(versions, match[1])
		}
		return versions
	}
	chart := named("../manifests/helm/podflame/Chart.yaml", `(?m)^version: (\S+)$`)
	if len(chart) != 1 {
		t.Fatalf("the chart has the versions %v", chart)
	}
	found := map[string][]string{
		"Makefile":            named("../Makefile", `(?m)^IMAGE_TAG \?= (\S+)$`),
		"Chart.yaml, program": named("../manifests/helm/podflame/Chart.yaml", `(?m)^appVersion: (\S+)$`),
	}
	err := filepath.WalkDir("../manifests/base", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			found["base"] = append(found["base"], named(path, `ghcr\.io/podflame/[a-z]+:(\S+)`)...)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for where, versions := range found {
		if len(versions) == 0 {
			t.Errorf("%s names no version", where)
		}
		for _, version := range versions {
			if version != chart[0] {
				t.Errorf("%s names version %s, the chart is of %s", where, version, chart[0])
			}
		}
	}
}
