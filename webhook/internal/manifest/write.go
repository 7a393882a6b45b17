package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v3"
	kubeyaml "sigs.k8s.io/yaml"
)

// write puts the documents together. Without a format, those that did not change
// keep their bytes.
func write(documents []document, format Format) ([]byte, error) {
	if format == JSON {
		return writeJSON(documents)
	}
	var output bytes.Buffer
	for i := range documents {
		d := &documents[i]
		text, err := d.written(format)
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", d.place(), err)
		}
		switch {
		case d.separator != "":
			output.WriteString(d.separator)
		case i > 0 && d.node != nil: // the first of another source
			output.WriteString("---\n")
		}
		output.Write(text)
		if i+1 < len(documents) && output.Len() > 0 && !bytes.HasSuffix(output.Bytes(), []byte("\n")) {
			output.WriteByte('\n')
		}
	}
	return output.Bytes(), nil
}

func (d *document) written(format Format) ([]byte, error) {
	isJSON := bytes.HasPrefix(bytes.TrimSpace(d.text), []byte("{"))
	switch {
	case d.node == nil, !d.changed && (format == AsRead || !isJSON):
		return d.text, nil
	case isJSON && format == AsRead:
		return asJSON(d.node)
	case isJSON:
		inBlocks(d.node)
	}
	return asYAML(d.node)
}

// writeJSON writes one object, or a List of all.
func writeJSON(documents []document) ([]byte, error) {
	items := []json.RawMessage{}
	for i := range documents {
		if documents[i].node == nil {
			continue
		}
		text, err := asJSON(documents[i].node)
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", documents[i].place(), err)
		}
		items = append(items, text)
	}
	if len(items) == 1 {
		return items[0], nil
	}
	text, err := json.MarshalIndent(map[string]any{"apiVersion": "v1", "kind": "List", "items": items}, "", "    ")
	if err != nil {
		return nil, fmt.Errorf("write the list: %w", err)
	}
	return append(text, '\n'), nil
}

const indent = 2

func asYAML(n *yaml.Node) ([]byte, error) {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(indent)
	if isCompact(n) {
		encoder.CompactSeqIndent()
	}
	if err := encoder.Encode(n); err != nil {
		return nil, fmt.Errorf("write document: %w", err)
	}
	return out.Bytes(), encoder.Close()
}

// isCompact tells whether the document's first list in a mapping begins in the
// column of its key, as kubectl writes it.
func isCompact(n *yaml.Node) bool {
	compact, _ := listStyle(n)
	return compact
}

func listStyle(n *yaml.Node) (compact, known bool) {
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 && child.Kind == yaml.SequenceNode && child.Style&yaml.FlowStyle == 0 && child.Column > 0 {
			return child.Column == n.Content[i-1].Column, true
		}
		if compact, known := listStyle(child); known {
			return compact, true
		}
	}
	return true, false
}

// inBlocks gives up the style of JSON, but for the quotes: without them, some
// strings would be read as something else.
func inBlocks(n *yaml.Node) {
	n.Style &^= yaml.FlowStyle
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			child.Style = 0
		}
		inBlocks(child)
	}
}

// asJSON reads the document as kubectl does, whose YAML 1.1 has more booleans
// than JSON and ours.
func asJSON(n *yaml.Node) ([]byte, error) {
	plain, err := resolved(n)
	if err != nil {
		return nil, err
	}
	text, err := yaml.Marshal(plain)
	if err != nil {
		return nil, fmt.Errorf("write document: %w", err)
	}
	if text, err = kubeyaml.YAMLToJSON(text); err != nil {
		return nil, fmt.Errorf("read document: %w", err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", "    "); err != nil {
		return nil, fmt.Errorf("write document: %w", err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}
