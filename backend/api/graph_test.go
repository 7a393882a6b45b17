package api

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestGraphInJSON(t *testing.T) {
	g := Graph{
		Functions: []string{"java.lang.Thread.run", "java.lang.Thread.start", "shop.Käse.a", "shop.Käse.b", "shop"},
		Kinds:     []string{"java", "java", "native", "java", "omitted"},
		Parents:   []int32{-1, 0, 1, 2, 1, 0}, Frames: []int32{-1, 0, 1, 2, 3, 4},
		Values: []int64{0, 1, 2, 3, 4, math.MaxInt64}, Counts: []int64{0, 1, 1, 1, 1, 1},
	}
	const want = `{"functions":{"shared":[0,17,0,6,4],"rest":["java.lang.Thread.run","start","shop.Käse.a","äse.b",""]},` +
		`"kinds":{"names":["java","native","java","omitted"],"counts":[2,1,1,1]},"depths":[0,1,2,3,2,1],"frames":[-1,0,1,2,3,4],` +
		`"values":[0,1,2,3,4,9223372036854775807],"counts":[0,1,1,1,1,1]}`
	body, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(body)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What is written is read as it was, whatever the names are.
func TestGraphComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := Graph{Functions: Names{}, Kinds: Kinds{}, Parents: Parents{-1}, Frames: []int32{-1}, Values: []int64{0}, Counts: []int64{0}}
		for range rapid.IntRange(0, 20).Draw(t, "functions") {
			g.Functions = append(g.Functions, rapid.StringMatching(`(a|b|a\.b\.|ä|\\|"|\x00|😀)*`).Draw(t, "name"))
			g.Kinds = append(g.Kinds, rapid.SampledFrom([]string{"java", "native", ""}).Draw(t, "kind"))
		}
		path := []int32{0}
		for node := range rapid.Int32Range(0, 30).Draw(t, "nodes") {
			depth := rapid.IntRange(1, len(path)).Draw(t, "depth")
			g.Parents, g.Frames = append(g.Parents, path[depth-1]), append(g.Frames, node)
			g.Values, g.Counts = append(g.Values, rapid.Int64().Draw(t, "value")), append(g.Counts, 1)
			path = append(path[:depth], node+1)
		}
		body, err := json.Marshal(g)
		if err != nil {
			t.Fatal(err)
		}
		var back Graph
		if err := json.Unmarshal(body, &back); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		if diff := cmp.Diff(g, back); diff != "" {
			t.Errorf("%s\n(-want +got):\n%s", body, diff)
		}
	})
}

func TestGraphThatContradictsItself(t *testing.T) {
	for _, body := range []string{
		`{"functions":{"shared":[0],"rest":[]}}`,
		`{"functions":{"shared":[1],"rest":["a"]}}`,
		`{"functions":{"shared":[0,-1],"rest":["a","b"]}}`,
		`{"functions":{"shared":[0,2],"rest":["a","b"]}}`,
		`{"functions":["a","b"]}`,
		`{"kinds":{"names":["java"],"counts":[1,2]}}`,
		`{"kinds":{"names":["java"],"counts":[-1]}}`,
		`{"kinds":{"names":["java"],"counts":[1000000000000]}}`,
		`{"depths":[1]}`,
		`{"depths":[0,0]}`,
		`{"depths":[0,2]}`,
		`{"depths":[0,1,-1]}`,
		`{"depths":[0,0.5]}`,
	} {
		var g Graph
		if err := json.Unmarshal([]byte(body), &g); err == nil {
			t.Errorf("%s was read as %+v", body, g)
		}
	}
}
