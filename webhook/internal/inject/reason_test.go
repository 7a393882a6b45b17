package inject

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestReasonsHaveWords: a code without a sentence would reach a user bare.
func TestReasonsHaveWords(t *testing.T) {
	code := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	seen := map[Reason]bool{}
	for _, r := range AllReasons() {
		if !code.MatchString(string(r)) {
			t.Errorf("code %q is not in snake_case", r)
		}
		if seen[r] {
			t.Errorf("code %q is there twice", r)
		}
		seen[r] = true
		if text := r.Text(); len(text) < 20 || !strings.HasSuffix(text, ".") {
			t.Errorf("%s: %q is not a sentence", r, text)
		}
		if remedy := r.Remedy(); remedy == "" && r != Injected && r != AlreadyInjected {
			t.Errorf("%s: no remedy", r)
		}
	}
}

// TestReasonsAreAllInTables compares the constants in the source with the tables.
func TestReasonsAreAllInTables(t *testing.T) {
	source, err := os.ReadFile("reason.go")
	if err != nil {
		t.Fatal(err)
	}
	constants := regexp.MustCompile(`(?m)^\t\w+ +Reason = "(\w+)"`).FindAllStringSubmatch(string(source), -1)
	if len(constants) != len(AllReasons()) {
		t.Errorf("%d constants, but %d reasons with words", len(constants), len(AllReasons()))
	}
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range constants {
		if strings.HasPrefix(Reason(c[1]).Text(), "Reason ") {
			t.Errorf("%s has no words", c[1])
		}
		if !regexp.MustCompile(`\b` + c[1] + `\b`).Match(doc) {
			t.Errorf("%s is not in the package comment", c[1])
		}
	}
}

func TestUnknownReasonHasText(t *testing.T) {
	if got := Reason("from_the_future").Text(); !strings.Contains(got, "from_the_future") {
		t.Errorf("text %q does not name the code", got)
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
