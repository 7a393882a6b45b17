package reason

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestWordsAreOfOneStyle: who shows them puts details and full stops.
func TestWordsAreOfOneStyle(t *testing.T) {
	code := regexp.MustCompile(`^[a-z]+[0-9]?(_[a-z0-9]+)*$`)
	begins := regexp.MustCompile(`^([A-Z]|profiling\.io/)`)
	seen := map[Code]bool{}
	for _, r := range All() {
		if !code.MatchString(string(r.Reason)) {
			t.Errorf("code %q is not in snake_case", r.Reason)
		}
		if seen[r.Reason] {
			t.Errorf("%s is there twice", r.Reason)
		}
		seen[r.Reason] = true
		if len(r.Text) < 15 || !begins.MatchString(r.Text) {
			t.Errorf("%s: text %q is no sentence", r.Reason, r.Text)
		}
		if r.Remedy != "" && !begins.MatchString(r.Remedy) {
			t.Errorf("%s: remedy %q is no sentence", r.Reason, r.Remedy)
		}
		for _, s := range []string{r.Text, r.Remedy} {
			if strings.HasSuffix(s, ".") || strings.Contains(s, ". ") {
				t.Errorf("%s: %q has a full stop", r.Reason, s)
			}
		}
	}
}

// TestEveryConstantHasARow compares the constants in the sources with the table.
func TestEveryConstantHasARow(t *testing.T) {
	for _, part := range []struct {
		source string
		table  []Text
	}{
		{"../backend/profile/reason.go", Profiling()},
		{"../webhook/internal/inject/reason.go", slices.Concat(Outcomes(), Warnings(), Sidecars())},
	} {
		source, err := os.ReadFile(part.source)
		if err != nil {
			t.Fatal(err)
		}
		constants := map[Code]bool{}
		for _, m := range regexp.MustCompile(`(?m)^\t\w+ +Reason = "(\w+)"`).FindAllStringSubmatch(string(source), -1) {
			constants[Code(m[1])] = true
			if !slices.ContainsFunc(part.table, func(r Text) bool { return string(r.Reason) == m[1] }) {
				t.Errorf("%s: %s has no row", part.source, m[1])
			}
		}
		if len(constants) == 0 {
			t.Fatalf("%s: no constant was found", part.source)
		}
		for _, r := range part.table {
			if !constants[r.Reason] {
				t.Errorf("%s: %s has a row and no constant", part.source, r.Reason)
			}
		}
	}
}

func TestUnknownCodesExplainThemselves(t *testing.T) {
	if got := Code("from_the_future").Text(); !strings.Contains(got, "from_the_future") {
		t.Errorf("text %q does not name the code", got)
	}
}

func TestSay(t *testing.T) {
	for _, test := range []struct{ code, detail, want string }{
		{"jvm_exited", "", "The JVM has exited."},
		{"jvm_exited", "code 3", "The JVM has exited (code 3)."},
		{"profiler_error", "busy", "The profiler answered with an error (busy). Look at the detail."},
	} {
		if got := Say(Code(test.code), test.detail); got != test.want {
			t.Errorf("Say(%s, %q) = %q, want %q", test.code, test.detail, got, test.want)
		}
	}
}
