package tests

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestSecurityIsShownByTests fails if SECURITY.md names a test that does not
// exist: a claim that nothing shows is none.
func TestSecurityIsShownByTests(t *testing.T) {
	page, err := os.ReadFile("../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`\[((?:Test|Fuzz)\w+)\]\(([\w./-]+)\)`).FindAllStringSubmatch(string(page), -1)
	if len(named) < 60 {
		t.Fatalf("SECURITY.md names only %d tests", len(named))
	}
	for _, name := range named {
		test, directory := name[1], filepath.Join("..", name[2])
		if !declares(t, directory, test) {
			t.Errorf("SECURITY.md names %s, which is not in %s", test, name[2])
		}
	}
}

func declares(t *testing.T, directory, test string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(directory, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	declaration := regexp.MustCompile(`(?m)^func ` + test + `\(`)
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if declaration.Match(source) {
			return true
		}
	}
	return false
}
