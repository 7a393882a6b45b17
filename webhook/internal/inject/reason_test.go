package inject

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// TestReasonsAreDocumented: the package comment lists every outcome and warning.
func TestReasonsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range slices.Concat(Outcomes(), WarningReasons()) {
		if !regexp.MustCompile(`\b` + string(code) + `\b`).Match(doc) {
			t.Errorf("%s is not in the package comment", code)
		}
	}
}

func TestFindingIsOneSentenceForAPerson(t *testing.T) {
	got := finding(UnknownContainer, "\"a\nb\"").String()
	want := `podflame: profiling.io/containers names no container of the pod ("a?b"). ` +
		`Correct the names, or remove the annotation to profile every container. [unknown_container]`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
