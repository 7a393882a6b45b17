package tests

import (
	"os"
	"regexp"
	"testing"
)

// TestAnnotationsAreDocumented compares the annotations that webhook and sidecar
// agree on with the table of manifests/README.md.
func TestAnnotationsAreDocumented(t *testing.T) {
	read := func(path string) string {
		t.Helper()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	agreed := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\t\w+ += "profiling\.io/([a-z-]+)"`).FindAllStringSubmatch(read("../sidecar/contract/contract.go"), -1) {
		agreed[m[1]] = true
	}
	delete(agreed, "status") // which the webhook writes
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[a-z-]+`(?:, `[a-z-]+`)*)(?: ¹)? \\|.*\\|$").FindAllStringSubmatch(section(t, read("../manifests/README.md"), "### Annotations"), -1) {
		for _, name := range regexp.MustCompile("[a-z-]+").FindAllString(row[1], -1) {
			documented[name] = true
		}
	}
	for name := range agreed {
		if !documented[name] {
			t.Errorf("manifests/README.md does not say what profiling.io/%s sets", name)
		}
	}
	for name := range documented {
		if !agreed[name] {
			t.Errorf("manifests/README.md has profiling.io/%s, which there is not", name)
		}
	}
	if len(agreed) < 15 {
		t.Errorf("only the annotations %v were found", agreed)
	}
}

// section is what stands in a page below a heading, to the next one.
func section(t *testing.T, page, heading string) string {
	t.Helper()
	m := regexp.MustCompile(`(?s)\n` + heading + `\n(.*?)(\n#|$)`).FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("the page has no %q", heading)
	}
	return m[1]
}
