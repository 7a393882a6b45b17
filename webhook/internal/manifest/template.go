package manifest

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// errPlaceholder is what a template that was not rendered gets: rewritten, it
// would no longer be one.
var errPlaceholder = errors.New("this is a template with placeholders, no manifest: render it first, as with helm template . | webhook inject -f -")

// placeholder is one of Helm's that YAML takes for a string.
var placeholder = regexp.MustCompile(`\{\{-?\s*(\.(Values|Release|Chart|Capabilities|Files|Template)\b|(include|tpl|if|end|range|with|define|template|toYaml)\b)`)

// hasPlaceholder looks at strings without quotes only: within quotes, braces may
// well be the application's.
func hasPlaceholder(n *yaml.Node) bool {
	if n.Kind == yaml.ScalarNode && n.Style == 0 && placeholder.MatchString(n.Value) {
		return true
	}
	return slices.ContainsFunc(n.Content, hasPlaceholder)
}

// checkKeys refuses keys that are no scalars: Kubernetes has none, and an
// unquoted placeholder looks like one.
func checkKeys(n *yaml.Node) error {
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && child.Kind != yaml.ScalarNode && child.Kind != yaml.AliasNode {
			return fmt.Errorf("line %d: a key that is not a word; %w", child.Line, errPlaceholder)
		}
		if err := checkKeys(child); err != nil {
			return err
		}
	}
	return nil
}

// isPatch says whether an object is a patch for kustomize or kubectl, by its
// directives: it holds a part of a pod only.
func isPatch(n *yaml.Node) bool {
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && isDirective(child.Value) {
			return true
		}
		if isPatch(child) {
			return true
		}
	}
	return false
}

func isDirective(key string) bool {
	return slices.ContainsFunc([]string{"$patch", "$retainKeys", "$setElementOrder/", "$deleteFromPrimitiveList/"}, func(directive string) bool {
		return key == directive || strings.HasSuffix(directive, "/") && strings.HasPrefix(key, directive)
	})
}
