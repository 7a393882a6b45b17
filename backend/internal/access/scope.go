// Package access holds which namespaces a request may see. The door puts it into
// the context of each request, and the store reads no row beyond it: whoever
// adds a query need not think of it, and a context without one sees nothing.
package access

import (
	"context"
	"fmt"
	"slices"
)

// Scope is a set of namespaces. The zero value is empty.
type Scope struct {
	everything bool
	namespaces []string // sorted, each once
}

// Everything is the scope of the backend itself, and of readers who may see the
// whole cluster.
func Everything() Scope { return Scope{everything: true} }

// Of is the scope of these namespaces.
func Of(namespaces ...string) Scope {
	sorted := slices.Sorted(slices.Values(namespaces))
	return Scope{namespaces: slices.Compact(sorted)}
}

// Everything reports whether the scope has no limit.
func (s Scope) Everything() bool { return s.everything }

// Namespaces are those in the scope, sorted; nil if it has no limit.
func (s Scope) Namespaces() []string { return s.namespaces }

// Allows reports whether a namespace is in the scope.
func (s Scope) Allows(namespace string) bool {
	_, found := slices.BinarySearch(s.namespaces, namespace)
	return s.everything || found
}

// String describes the scope for logs.
func (s Scope) String() string {
	if s.everything {
		return "every namespace"
	}
	return fmt.Sprintf("namespaces %q", s.namespaces)
}

type key struct{}

// Into returns a context whose reads are limited to the scope.
func Into(ctx context.Context, s Scope) context.Context { return context.WithValue(ctx, key{}, s) }

// From returns the scope of a context, and whether it has one.
func From(ctx context.Context) (Scope, bool) {
	s, ok := ctx.Value(key{}).(Scope)
	return s, ok
}
