package calltree

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/podflame/podflame/backend/profile"
)

func TestParsePattern(t *testing.T) {
	cases := []struct {
		text  string
		match map[string]bool
		fails string
	}{
		{text: "  ", match: map[string]bool{"": false, "x": false}},
		{text: "HASH", match: map[string]bool{"java.util.HashMap.get": true, "has": false}},
		{text: "/^java\\./", match: map[string]bool{"java.util.X": true, "a.java.X": false}},
		{text: "/MAP/", match: map[string]bool{"HashMap": false, "MAP": true}},
		{text: "/MAP/i", match: map[string]bool{"HashMap": true}},
		{text: "/", match: map[string]bool{"a/b": true, "ab": false}},
		{text: "//", match: map[string]bool{"a//b": true}},
		{text: "/a|b", match: map[string]bool{"x/a|b": true, "a": false}},
		{text: "'; DROP TABLE samples; --", match: map[string]bool{"a": false}},
		{text: "/(/", fails: "missing closing"},
		{text: "/(a)\\1/", fails: "invalid escape"},
		{text: "/(?=a)/", fails: "invalid or unsupported Perl syntax"},
		{text: "/(((a{100}){100}){100})/", fails: "invalid repeat count"},
		{text: "/(a{30}){30}/", fails: ""},
		{text: "/[a-z]{999}x{9}/", fails: "instructions"},
		{text: strings.Repeat("x", MaxPatternBytes+1), fails: "at most 256"},
	}
	for _, c := range cases {
		p, err := ParsePattern(c.text)
		if (err != nil) != (c.fails != "") || err != nil && !strings.Contains(err.Error(), c.fails) {
			t.Errorf("%.40q: error %v, want %q", c.text, err, c.fails)
		}
		for name, want := range c.match {
			if p.Match(name) != want {
				t.Errorf("%.40q matches %q: %v", c.text, name, !want)
			}
		}
	}
}

func TestFilterEndsWithItsContext(t *testing.T) {
	d := NewDictionary(1 << 20)
	d.Add(1, packed(1))
	tree, _ := d.Tree([]Sum{{1, profile.Amount{Value: 1}}})
	p, err := ParsePattern("/(a*)*b/")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := tree.Filter(ctx, Filter{Include: p}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func FuzzParsePattern(f *testing.F) {
	for _, text := range []string{"", "a", "/a/", "/(?i)x{1,9}/i", "/\\pL+/", "/[^"} {
		f.Add(text, "java.util.HashMap.get")
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		p, err := ParsePattern(text)
		if err == nil && len(name) < 1000 {
			p.Match(name)
		}
		if err != nil && !p.IsZero() {
			t.Error("a pattern that cannot be read matches something")
		}
	})
}
