package manifest

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"
	kubeyaml "sigs.k8s.io/yaml"
)

// value draws what JSON can hold, at most depth deep.
func value(t *rapid.T, depth int) any {
	kinds := []string{"text", "number", "truth"}
	if depth > 0 {
		kinds = append(kinds, "mapping", "list", "mapping", "list")
	}
	switch rapid.SampledFrom(kinds).Draw(t, "kind") {
	case "mapping":
		return mapping(t, depth)
	case "list":
		list := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "elements") {
			list = append(list, value(t, depth-1))
		}
		return list
	case "number":
		return rapid.IntRange(-5, 5).Draw(t, "number")
	case "truth":
		return rapid.Bool().Draw(t, "truth")
	}
	return rapid.SampledFrom([]string{"", "a", "yes", "1", "a: b", "- a", "two\nlines", "*a", "&a", "#", "null", "ä"}).Draw(t, "text")
}

func mapping(t *rapid.T, depth int) map[string]any {
	out := map[string]any{}
	for range rapid.IntRange(0, 4).Draw(t, "keys") {
		out[key(t)] = value(t, depth-1)
	}
	return out
}

func key(t *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "b", "c", "on", "1", "x/y", "key: with", "<<x"}).Draw(t, "key")
}

// grown is v as an injection might leave it: keys and elements are added and
// scalars replaced, and nothing is taken away.
func grown(t *rapid.T, v any) any {
	switch old := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for _, k := range slices.Sorted(maps.Keys(old)) {
			out[k] = grown(t, old[k])
		}
		if k := key(t); rapid.Bool().Draw(t, "add key") {
			if _, had := out[k]; !had {
				out[k] = value(t, 1)
			}
		}
		return out
	case []any:
		out := []any{}
		for _, element := range old {
			out = append(out, grown(t, element))
		}
		if rapid.Bool().Draw(t, "append") {
			out = append(out, value(t, 1))
		}
		return out
	}
	if rapid.IntRange(0, 3).Draw(t, "replace") == 0 {
		return value(t, 0)
	}
	return v
}

// An overlay makes what is below its path mean the value after it, in the text
// too, and leaves the rest what it meant, whoever shares anchors with whom.
func TestOverlayMeansWhatComesAfter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := map[string]any{"spec": mapping(t, 3), "other": value(t, 2)}
		root := node(t, before)
		shared := share(t, root)
		after := grown(t, before["spec"])
		w := &work{root: root}
		changed, err := w.overlay(root.Content[0], []string{"spec"}, before["spec"], after)
		if err != nil {
			t.Fatal(err)
		}
		text, err := yaml.Marshal(root)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := kubeyaml.Unmarshal(text, &got); err != nil {
			t.Fatalf("the text cannot be read: %v\n%s", err, text)
		}
		want := map[string]any{"spec": after, "other": before["other"]}
		maps.Copy(want, shared)
		if diff := cmp.Diff(ofJSON(t, want), ofJSON(t, got)); diff != "" {
			t.Fatalf("the text means another thing (-want +got):\n%s\n%s", diff, text)
		}
		if changed == cmp.Equal(before["spec"], after) {
			t.Fatalf("changed is %t of\n%s", changed, cmp.Diff(before["spec"], after))
		}
	})
}

// ofJSON is v with the types that JSON has.
func ofJSON(t *rapid.T, v any) any {
	out, err := generic(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// node is a document that holds v.
func node(t *rapid.T, v any) *yaml.Node {
	text, err := yaml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var n yaml.Node
	if err := yaml.Unmarshal(text, &n); err != nil {
		t.Fatal(err)
	}
	return &n
}

// share gives some nodes anchors that new keys of the document refer to. It
// returns what these keys mean.
func share(t *rapid.T, document *yaml.Node) map[string]any {
	out := map[string]any{}
	root := document.Content[0]
	for i, n := range descendants(root) {
		if n.Kind == yaml.ScalarNode || rapid.IntRange(0, 3).Draw(t, "share") != 0 {
			continue
		}
		n.Anchor = fmt.Sprintf("n%d", i)
		var meaning any
		if err := n.Decode(&meaning); err != nil {
			t.Fatal(err)
		}
		name := "ref" + n.Anchor
		out[name] = meaning
		root.Content = append(root.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, &yaml.Node{Kind: yaml.AliasNode, Value: n.Anchor, Alias: n})
	}
	return out
}

// descendants are the values below n, in the order of the text.
func descendants(n *yaml.Node) []*yaml.Node {
	var out []*yaml.Node
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			continue
		}
		out = append(append(out, child), descendants(child)...)
	}
	return out
}
