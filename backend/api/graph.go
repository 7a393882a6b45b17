package api

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Graph is a call tree in columns. Nodes are in the order of a walk, the root
// first and siblings heaviest first, so the nodes below a node follow it. In JSON
// a column is as short as what is before it allows.
type Graph struct {
	Functions Names   `json:"functions"`
	Kinds     Kinds   `json:"kinds"` // by function
	Parents   Parents `json:"depths"`
	Frames    []int32 `json:"frames"` // by node, index into Functions; -1 for the root
	Values    []int64 `json:"values"` // by node: self, without the nodes below
	Counts    []int64 `json:"counts"` // likewise
}

// Names are the names of functions. In JSON each is without what it has in common
// with the one before.
type Names []string

type frontCoded struct {
	Shared []int    `json:"shared"`
	Rest   []string `json:"rest"`
}

// MarshalJSON implements json.Marshaler.
func (n Names) MarshalJSON() ([]byte, error) {
	coded := frontCoded{make([]int, len(n)), make([]string, len(n))}
	before := ""
	for i, name := range n {
		shared := sharedASCII(before, name)
		coded.Shared[i], coded.Rest[i] = shared, name[shared:]
		before = name
	}
	return json.Marshal(coded)
}

// sharedASCII is the length of the beginning that two strings share. It ends
// before what is not ASCII, so that it is one in bytes and in the characters of
// every language.
func sharedASCII(a, b string) int {
	least := min(len(a), len(b))
	a, b = a[:least], b[:least]
	for n := range least {
		if a[n] != b[n] || a[n] >= 0x80 {
			return n
		}
	}
	return least
}

// UnmarshalJSON implements json.Unmarshaler.
func (n *Names) UnmarshalJSON(data []byte) error {
	var coded frontCoded
	if err := json.Unmarshal(data, &coded); err != nil {
		return err
	}
	if len(coded.Shared) != len(coded.Rest) {
		return fmt.Errorf("there are %d names but %d shared beginnings", len(coded.Rest), len(coded.Shared))
	}
	names := make(Names, len(coded.Rest))
	before := ""
	for i, rest := range coded.Rest {
		shared := coded.Shared[i]
		if shared < 0 || shared > len(before) {
			return fmt.Errorf("name %d shares %d bytes with the one before, which has %d", i, shared, len(before))
		}
		before = before[:shared] + rest
		names[i] = before
	}
	*n = names
	return nil
}

// Kinds are the kinds of functions. In JSON they are runs: how many functions in
// a row are of a kind.
type Kinds []string

type runs struct {
	Names  []string `json:"names"`
	Counts []int    `json:"counts"`
}

// MarshalJSON implements json.Marshaler.
func (k Kinds) MarshalJSON() ([]byte, error) {
	coded := runs{[]string{}, []int{}}
	for i, kind := range k {
		if i == 0 || kind != k[i-1] {
			coded.Names, coded.Counts = append(coded.Names, kind), append(coded.Counts, 0)
		}
		coded.Counts[len(coded.Counts)-1]++
	}
	return json.Marshal(coded)
}

// maxFunctions is far beyond what an answer has, and keeps a run from taking all
// memory.
const maxFunctions = 1 << 22

// UnmarshalJSON implements json.Unmarshaler.
func (k *Kinds) UnmarshalJSON(data []byte) error {
	var coded runs
	if err := json.Unmarshal(data, &coded); err != nil {
		return err
	}
	if len(coded.Names) != len(coded.Counts) {
		return fmt.Errorf("there are %d runs of kinds but %d counts", len(coded.Names), len(coded.Counts))
	}
	kinds := Kinds{}
	for i, count := range coded.Counts {
		if count < 0 || count > maxFunctions-len(kinds) {
			return fmt.Errorf("run %d is of %d functions, after %d; the limit is %d", i, count, len(kinds), maxFunctions)
		}
		kinds = append(kinds, slices.Repeat(coded.Names[i:i+1], count)...)
	}
	*k = kinds
	return nil
}

// Parents are the parents of nodes in the order of a walk; -1 for the root. In
// JSON they are the depths of the nodes.
type Parents []int32

// MarshalJSON implements json.Marshaler.
func (p Parents) MarshalJSON() ([]byte, error) {
	depths := make([]int32, len(p))
	for node := 1; node < len(p); node++ {
		depths[node] = depths[p[node]] + 1
	}
	return json.Marshal(depths)
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *Parents) UnmarshalJSON(data []byte) error {
	var depths []int32
	if err := json.Unmarshal(data, &depths); err != nil {
		return err
	}
	parents := make(Parents, len(depths))
	var path []int32 // by depth: the last node that is so deep
	for node, depth := range depths {
		if depth < 0 || int(depth) > len(path) || (depth == 0) != (node == 0) {
			return fmt.Errorf("node %d is %d deep, the one before is %d", node, depth, len(path)-1)
		}
		parents[node] = -1
		if depth > 0 {
			parents[node] = path[depth-1]
		}
		path = append(path[:depth], int32(node))
	}
	*p = parents
	return nil
}
