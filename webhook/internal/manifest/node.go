package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"
	kubeyaml "sigs.k8s.io/yaml"
)

// field follows keys from mapping to mapping; nil if one is not there.
func field(n *yaml.Node, keys ...string) *yaml.Node {
	for _, key := range keys {
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		i := keyIndex(n, key)
		if i < 0 {
			return nil
		}
		n = n.Content[i+1]
	}
	return n
}

func keyIndex(n *yaml.Node, key string) int {
	if n.Kind != yaml.MappingNode {
		return -1
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return i
		}
	}
	return -1
}

// into reads a resolved node the way kubectl does: by YAML 1.1, and through
// JSON.
func into(n *yaml.Node, v any) error {
	text, err := yaml.Marshal(n)
	if err != nil {
		return err
	}
	return kubeyaml.Unmarshal(text, v)
}

// readHeader refuses what is not an object at all.
func readHeader(n *yaml.Node) (header, error) {
	var h header
	if n.Kind != yaml.MappingNode {
		return h, errors.New("not an object: a manifest begins with apiVersion and kind")
	}
	picked := &yaml.Node{Kind: yaml.MappingNode}
	for _, key := range []string{"apiVersion", "kind", "metadata"} {
		if i := keyIndex(n, key); i >= 0 {
			picked.Content = append(picked.Content, n.Content[i], n.Content[i+1])
		}
	}
	if err := into(picked, &h); err != nil {
		return h, fmt.Errorf("read apiVersion, kind and metadata: %w", err)
	}
	return h, nil
}

// overlay carries the difference between before and after, which were read
// from the node at a path of an object, over to it. It tells whether there was
// one.
func (w *work) overlay(object *yaml.Node, path []string, before, after any) (bool, error) {
	b, err := generic(before)
	if err != nil {
		return false, err
	}
	a, err := generic(after)
	if err != nil {
		return false, err
	}
	if reflect.DeepEqual(b, a) {
		return false, nil
	}
	for _, key := range append([]string{""}, path...) {
		if key != "" {
			object = object.Content[keyIndex(object, key)+1]
		}
		if err := w.open(object); err != nil {
			return false, err
		}
	}
	return true, w.merge(object, b, a)
}

// merge descends into mappings and lists as far as the node has them too; lists
// match by position, for an injection only appends to them.
func (w *work) merge(n *yaml.Node, before, after any) error {
	if reflect.DeepEqual(before, after) {
		return nil
	}
	if err := w.open(n); err != nil {
		return err
	}
	switch a := after.(type) {
	case map[string]any:
		if b, ok := before.(map[string]any); ok && n.Kind == yaml.MappingNode {
			return w.mergeMapping(n, b, a)
		}
	case []any:
		if b, ok := before.([]any); ok && n.Kind == yaml.SequenceNode && len(n.Content) == len(b) && len(b) <= len(a) {
			return w.mergeSequence(n, b, a)
		}
	}
	fresh, err := encode(after)
	if err != nil {
		return err
	}
	fresh.HeadComment, fresh.LineComment, fresh.FootComment = n.HeadComment, n.LineComment, n.FootComment
	*n = *fresh
	return nil
}

func (w *work) mergeMapping(n *yaml.Node, before, after map[string]any) error {
	for _, key := range slices.Sorted(maps.Keys(after)) {
		i := keyIndex(n, key)
		old, had := before[key]
		if had && reflect.DeepEqual(old, after[key]) {
			continue // also where only our types have the key
		}
		if had && i >= 0 {
			if err := w.merge(n.Content[i+1], old, after[key]); err != nil {
				return err
			}
			continue
		}
		value, err := encode(after[key])
		if err != nil {
			return err
		}
		if i >= 0 {
			n.Content[i+1] = value
			continue
		}
		name, err := encode(key)
		if err != nil {
			return err
		}
		n.Content = append(n.Content, name, value)
	}
	return nil
}

func (w *work) mergeSequence(n *yaml.Node, before, after []any) error {
	for i := range before {
		if err := w.merge(n.Content[i], before[i], after[i]); err != nil {
			return err
		}
	}
	for _, element := range after[len(before):] {
		value, err := encode(element)
		if err != nil {
			return err
		}
		n.Content = append(n.Content, value)
	}
	return nil
}

func encode(v any) (*yaml.Node, error) {
	n := new(yaml.Node)
	if err := n.Encode(v); err != nil {
		return nil, fmt.Errorf("write value: %w", err)
	}
	return n, nil
}

// generic is v as maps, lists and scalars, by its JSON.
func generic(v any) (any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write pod: %w", err)
	}
	var out any
	if err := yaml.Unmarshal(text, &out); err != nil {
		return nil, fmt.Errorf("read pod: %w", err)
	}
	return out, nil
}
