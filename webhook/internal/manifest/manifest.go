package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

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
	Config               inject.Config
	Namespace            string            // of objects that name none
	NamespaceLabels      map[string]string // of every namespace that the manifests do not hold; nil: not known
	NamespaceAnnotations map[string]string // likewise
	Annotate             bool              // opt in every pod that says nothing
	Format               Format
}

// Format is how documents are written.
type Format string

// The formats. The zero value keeps that of each document, and the text of
// those that do not change.
const (
	AsRead Format = ""
	YAML   Format = "yaml"
	JSON   Format = "json" // one object, or a List of them
)

// Source is a text of manifests and its name in errors.
type Source struct {
	Name string
	Text []byte
}

// Result is the decision about one pod or pod template.
type Result struct {
	Kind, Namespace, Name string // of the object that holds it
	Decision              inject.Decision
	QoSBefore, QoSAfter   string // QoS classes; the same unless the sidecar is added
}

// Inject returns the manifests with the sidecar wherever it was decided, and
// the decisions in the order of the input. An error means that the input could
// not be read as manifests; it names the source and the document.
func Inject(sources []Source, options Options) ([]byte, []Result, error) {
	w := work{options: options, namespaces: map[string]*inject.Namespace{}}
	documents, err := w.read(sources)
	if err != nil {
		return nil, nil, err
	}
	for i := range documents {
		if err := w.document(&documents[i]); err != nil {
			return nil, nil, fmt.Errorf("inject into %s: %w", documents[i].place(), err)
		}
	}
	output, err := write(documents, options.Format)
	return output, w.results, err
}

// work is one call of Inject.
type work struct {
	options    Options
	namespaces map[string]*inject.Namespace // that the input holds
	root       *yaml.Node                   // of the current document
	results    []Result
}

// read parses all documents before the first is decided upon, as a namespace may
// come after its pods.
func (w *work) read(sources []Source) ([]document, error) {
	var documents []document
	size := 0
	for _, source := range sources {
		if size += len(source.Text); size > MaxBytes {
			return nil, fmt.Errorf("input has more than %d bytes; split it", MaxBytes)
		}
		documents = append(documents, split(source)...)
		if len(documents) > MaxDocuments {
			return nil, fmt.Errorf("input has %d documents, more than %d; split it", len(documents), MaxDocuments)
		}
	}
	for i := range documents {
		d := &documents[i]
		node, err := parse(d.text)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", d.place(), err)
		}
		d.node = node
		w.remember(node, 0)
	}
	return documents, nil
}

// document decides about what is in d, and notes whether it changed.
func (w *work) document(d *document) error {
	if d.node == nil {
		return nil
	}
	w.root = d.node
	changed, err := w.object(d.node.Content[0], "", 0)
	if err != nil {
		return err
	}
	if changed && hasPlaceholder(d.node) {
		return errPlaceholder
	}
	d.changed = changed
	return nil
}

// document is one of the input: its text, and the line "---" before it.
type document struct {
	source    string
	number    int // in its source, from 1
	line      int // first line of text, from 1
	separator string
	text      []byte
	node      *yaml.Node // nil if there is nothing in it
	changed   bool
}

func (d *document) place() string {
	return fmt.Sprintf("%s, document %d, from line %d", d.source, d.number, d.line)
}

// split cuts at lines that are "---", with or without a comment, which YAML
// keeps for this wherever they stand.
func split(source Source) []document {
	documents := []document{{source: source.Name, number: 1, line: 1}}
	line, input := 0, source.Text
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
			documents = append(documents, document{source: source.Name, number: last.number + 1, separator: string(current), line: line + 1})
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

// parse returns nil for a document without content.
func parse(text []byte) (*yaml.Node, error) {
	var node yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	switch err := decoder.Decode(&node); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil && bytes.Contains(text, []byte("{{")):
		return nil, fmt.Errorf("%w: %w", err, errPlaceholder)
	case err != nil:
		return nil, err
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("two documents without a line --- between them")
	}
	return &node, checkKeys(&node)
}
