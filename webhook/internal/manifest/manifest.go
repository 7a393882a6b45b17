package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"

	"github.com/podflame/podflame/webhook/internal/inject"
)

// Limits of the input.
const (
	MaxBytes     = 16 << 20
	MaxDocuments = 10_000
	maxDepth     = 8 // of Lists in Lists
)

// Options are what is not in the manifests.
type Options struct {
	Config          inject.Config
	Namespace       string            // of objects that name none
	NamespaceLabels map[string]string // of every namespace that the manifests do not hold; nil: not known
}

// Result is the decision about one pod or pod template.
type Result struct {
	Kind, Namespace, Name string // of the object that holds it
	Decision              inject.Decision
}

// Inject returns the manifests with the sidecar wherever it was decided, and
// the decisions in the order of the input. An error means that the input could
// not be read as manifests; it names the document.
func Inject(input []byte, options Options) ([]byte, []Result, error) {
	if len(input) > MaxBytes {
		return nil, nil, fmt.Errorf("input has more than %d bytes; split it", MaxBytes)
	}
	documents := split(input)
	if len(documents) > MaxDocuments {
		return nil, nil, fmt.Errorf("input has %d documents, more than %d; split it", len(documents), MaxDocuments)
	}
	w := work{options: options, namespaces: map[string]*corev1.Namespace{}}
	nodes := make([]*yaml.Node, len(documents))
	for i, d := range documents {
		node, err := parse(d.text)
		if err != nil {
			return nil, nil, fmt.Errorf("read document %d, from line %d: %w", i+1, d.line, err)
		}
		nodes[i] = node
		w.remember(node, 0)
	}
	var output bytes.Buffer
	for i, d := range documents {
		text, err := w.document(d, nodes[i])
		if err != nil {
			return nil, nil, fmt.Errorf("inject into document %d, from line %d: %w", i+1, d.line, err)
		}
		output.WriteString(d.separator)
		output.Write(text)
	}
	return output.Bytes(), w.results, nil
}

// document is one of the input: its text, and the line "---" before it.
type document struct {
	separator string
	text      []byte
	line      int // first line of text, from 1
}

// split cuts at lines that are "---", with or without a comment, which YAML
// keeps for this wherever they stand.
func split(input []byte) []document {
	documents := []document{{line: 1}}
	line := 0
	for len(input) > 0 {
		end := bytes.IndexByte(input, '\n') + 1
		if end == 0 {
			end = len(input)
		}
		current := input[:end]
		input = input[end:]
		line++
		last := &documents[len(documents)-1]
		if isSeparator(string(current)) && !isDirectives(last.text) {
			documents = append(documents, document{separator: string(current), line: line + 1})
			continue
		}
		last.text = append(last.text, current...)
	}
	return documents
}

func isSeparator(line string) bool {
	rest, found := strings.CutPrefix(line, "---")
	rest = strings.TrimSpace(rest)
	return found && (rest == "" || rest[0] == '#')
}

// isDirectives tells whether text is the head of a document such as "%YAML 1.1",
// to which the line "---" after it belongs.
func isDirectives(text []byte) bool {
	return bytes.HasPrefix(bytes.TrimSpace(text), []byte("%")) && !bytes.Contains(text, []byte("\n---"))
}

// parse returns nil for a document without content. References to anchors are
// written out, because what they refer to must not change with them.
func parse(text []byte) (*yaml.Node, error) {
	var node yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	switch err := decoder.Decode(&node); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, err
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("two documents without a line --- between them")
	}
	if !hasAlias(&node) {
		return &node, nil
	}
	return writtenOut(&node)
}

func hasAlias(n *yaml.Node) bool {
	if n.Kind == yaml.AliasNode {
		return true
	}
	return slices.ContainsFunc(n.Content, hasAlias)
}

func writtenOut(n *yaml.Node) (*yaml.Node, error) {
	var value any
	if err := n.Decode(&value); err != nil {
		return nil, err
	}
	content := new(yaml.Node)
	if err := content.Encode(value); err != nil {
		return nil, err
	}
	return &yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{content}}, nil
}

// work is one call of Inject.
type work struct {
	options    Options
	namespaces map[string]*corev1.Namespace // that the input holds
	results    []Result
}

// document returns the new text of d, or the old one if nothing changed.
func (w *work) document(d document, node *yaml.Node) ([]byte, error) {
	if node == nil {
		return d.text, nil
	}
	changed, err := w.object(node.Content[0], "", 0)
	if err != nil || !changed {
		return d.text, err
	}
	if bytes.HasPrefix(bytes.TrimSpace(d.text), []byte("{")) {
		return asJSON(node)
	}
	return asYAML(node)
}
