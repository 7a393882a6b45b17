package access

import (
	"context"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestContextWithoutScopeHasNone(t *testing.T) {
	if s, ok := From(t.Context()); ok || s.Allows("shop") || s.Allows("") || s.Everything() {
		t.Errorf("a context without a scope has %v, %t", s, ok)
	}
}

func TestScopeTravelsInTheContext(t *testing.T) {
	ctx := context.WithoutCancel(Into(t.Context(), Of("shop")))
	if s, ok := From(ctx); !ok || !s.Allows("shop") || s.Allows("bank") {
		t.Errorf("scope is %v, %t", s, ok)
	}
}

// A scope allows what it was made of and nothing else, in whatever order and
// however often the namespaces were named.
func TestAllowsExactlyItsNamespaces(t *testing.T) {
	name := rapid.StringMatching(`[a-d]{0,2}`)
	rapid.Check(t, func(t *rapid.T) {
		named := rapid.SliceOf(name).Draw(t, "named")
		asked := name.Draw(t, "asked")
		s := Of(named...)
		if got := s.Allows(asked); got != slices.Contains(named, asked) {
			t.Fatalf("%v allows %q: %t", s, asked, got)
		}
		if !Everything().Allows(asked) {
			t.Fatalf("everything does not allow %q", asked)
		}
	})
}
