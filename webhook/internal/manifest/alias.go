package manifest

import (
	"errors"
	"slices"

	"go.yaml.in/yaml/v3"
)

// maxNodes bounds what references to anchors may add up to.
const maxNodes = 1 << 20

// resolved is a copy of n in which references to anchors and merges are written
// out, for reading.
func resolved(n *yaml.Node) (*yaml.Node, error) {
	left := maxNodes
	out := copyOf(n, &left)
	if left < 0 {
		return nil, errors.New("excessive aliasing: references to anchors add up to more than a manifest can hold")
	}
	return out, nil
}

// copyOf stops where nothing is left of the allowed number of nodes.
func copyOf(n *yaml.Node, left *int) *yaml.Node {
	if *left--; *left < 0 {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}
	}
	if n.Kind == yaml.AliasNode {
		return copyOf(n.Alias, left)
	}
	out := *n
	out.Anchor, out.Content = "", make([]*yaml.Node, len(n.Content))
	for i, child := range n.Content {
		out.Content[i] = copyOf(child, left)
	}
	mergeKeys(&out)
	return &out
}

// mergeKeys writes out the keys "<<" of a mapping, whose own keys win.
func mergeKeys(n *yaml.Node) {
	for n.Kind == yaml.MappingNode {
		i := slices.IndexFunc(n.Content, func(c *yaml.Node) bool { return c.Kind == yaml.ScalarNode && c.Tag == "!!merge" })
		if i < 0 || i%2 == 1 {
			return
		}
		sources := []*yaml.Node{n.Content[i+1]}
		if sources[0].Kind == yaml.SequenceNode {
			sources = sources[0].Content
		}
		n.Content = slices.Delete(n.Content, i, i+2)
		for _, source := range sources {
			for k := 0; source.Kind == yaml.MappingNode && k+1 < len(source.Content); k += 2 {
				if keyIndex(n, source.Content[k].Value) < 0 {
					n.Content = append(n.Content, source.Content[k], source.Content[k+1])
				}
			}
		}
	}
}

// open makes n ready to be changed: a reference becomes a copy, an anchor's
// references elsewhere become copies of what it is now, and merges are written
// out.
func (w *work) open(n *yaml.Node) error {
	if n.Kind == yaml.AliasNode {
		return replace(n, n.Alias)
	}
	if n.Anchor != "" {
		if err := freeze(w.root, n); err != nil {
			return err
		}
		n.Anchor = ""
	}
	if !slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return c.Tag == "!!merge" }) {
		return nil
	}
	for i := range n.Content {
		if n.Content[i].Tag == "!!merge" && i%2 == 0 {
			if err := replaceAliases(n.Content[i+1]); err != nil {
				return err
			}
		}
	}
	mergeKeys(n)
	return nil
}

// replaceAliases writes out the value of a merge: a reference, or a list of them.
func replaceAliases(n *yaml.Node) error {
	copied, err := resolved(n)
	if err != nil {
		return err
	}
	*n = *copied
	return nil
}

// replace puts a copy of by where n is, and keeps the comments of n.
func replace(n, by *yaml.Node) error {
	copied, err := resolved(by)
	if err != nil {
		return err
	}
	copied.HeadComment, copied.LineComment, copied.FootComment = n.HeadComment, n.LineComment, n.FootComment
	*n = *copied
	return nil
}

// freeze writes out all references to an anchor that is about to change.
func freeze(n, anchor *yaml.Node) error {
	for _, child := range n.Content {
		if child.Kind == yaml.AliasNode {
			if child.Alias == anchor {
				if err := replace(child, anchor); err != nil {
					return err
				}
			}
			continue
		}
		if err := freeze(child, anchor); err != nil {
			return err
		}
	}
	return nil
}
