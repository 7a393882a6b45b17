package jfr

import (
	"errors"
	"fmt"
	"strings"

	"github.com/grafana/jfr-parser/parser/types/def"
)

var errMetadata = errors.New("metadata are damaged")

// maxElements bounds the tree that metadata are; the JDK's have 20,000.
const (
	maxElements     = 1 << 20
	maxElementDepth = 16
)

// readTypes reads the metadata event at at: a table of strings and a tree of
// elements with attributes, of which classes and their fields are kept, as the
// types of jfr-parser. No number in it makes it allocate more than the event is
// long, which is why jfr-parser does not read it.
func readTypes(buf []byte, at int64) (*def.TypeMap, error) {
	c := cursor{buf: buf, pos: int(at)}
	size := c.varint() // counts itself, too: the event may reach to the end of the chunk
	if kind := c.varint(); c.bad || kind != 0 || size > uint64(len(buf)-int(at)) {
		return nil, errMetadata
	}
	r := metadataReader{cursor: cursor{buf: buf[:at+int64(size)], pos: c.pos}, types: &def.TypeMap{IDMap: map[def.TypeID]*def.Class{}, NameMap: map[string]*def.Class{}}}
	for range 3 { // start, duration, id
		r.varint()
	}
	n := r.count()
	for range n {
		r.strings = append(r.strings, string(r.text()))
		if r.bad {
			return nil, errMetadata
		}
	}
	r.element(nil, 0)
	if r.bad {
		return nil, errMetadata
	}
	if len(r.types.IDMap) == 0 {
		return nil, fmt.Errorf("%w: they describe no type", errMetadata)
	}
	return r.types, nil
}

type metadataReader struct {
	cursor
	strings  []string
	types    *def.TypeMap
	elements int
}

// element reads an element and those in it.
func (r *metadataReader) element(within *def.Class, depth int) {
	r.elements++
	if depth > maxElementDepth || r.elements > maxElements {
		r.fail()
		return
	}
	name := r.string()
	attributes := map[string]string{}
	for n := r.count(); n > 0 && !r.bad; n-- {
		key := r.string()
		attributes[key] = r.string()
	}
	switch name {
	case "class":
		within = r.class(attributes)
	case "field":
		r.field(within, attributes)
	}
	for n := r.count(); n > 0 && !r.bad; n-- {
		r.element(within, depth+1)
	}
}

func (r *metadataReader) string() string {
	i := r.varint()
	if i >= uint64(len(r.strings)) {
		r.fail()
		return ""
	}
	return r.strings[i]
}

func (r *metadataReader) class(attributes map[string]string) *def.Class {
	attributes["name"] = currentName(attributes["name"])
	c, err := def.NewClass(attributes, 0)
	if err != nil || c.ID < 0 {
		r.fail()
		return nil
	}
	r.types.IDMap[c.ID], r.types.NameMap[c.Name] = c, c
	return c
}

// currentName is the name that a type of JFR version 1, of JDK 9 and 10, has had
// since version 2.
func currentName(name string) string {
	if rest, ok := strings.CutPrefix(name, "com.oracle.jdk."); ok {
		return "jdk." + rest
	}
	if rest, ok := strings.CutPrefix(name, "com.oracle.jfr.types."); ok {
		return "jdk.types." + rest
	}
	return name
}

func (r *metadataReader) field(of *def.Class, attributes map[string]string) {
	if attributes["dimension"] == "0" {
		delete(attributes, "dimension")
	}
	f, err := def.NewField(attributes)
	if of == nil || err != nil {
		r.fail()
		return
	}
	of.Fields = append(of.Fields, f)
}
