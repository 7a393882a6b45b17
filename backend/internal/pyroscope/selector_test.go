package pyroscope

import (
	"strings"
	"testing"

	"connectrpc.com/connect"
)

func TestSelectorChooses(t *testing.T) {
	cart := labels{labelService: "cart", labelNamespace: "shop", labelPod: "cart-0", labelVersion: `1 "b"`}
	for text, want := range map[string]bool{
		``:                                      true,
		`{}`:                                    true,
		` { } `:                                 true,
		`{service_name="cart"}`:                 true,
		`{service_name="cart",}`:                true,
		`{service_name="car"}`:                  false,
		`{service_name=~"car"}`:                 false, // patterns match whole values
		`{service_name=~"car.|x"}`:              true,
		`{service_name=~"x|cart"}`:              true,
		`{service_name!~"x|cart"}`:              false,
		`{ service_name = "cart" , pod != "" }`: true,
		`{node=""}`:                             true,
		`{node!=""}`:                            false,
		`{version="1 \"b\""}`:                   true,
		"{version=`1 \"b\"`}":                   true,
		`{namespace="shop",pod=~"cart-[0-9]+"}`: true,
	} {
		matchers, err := parseSelector(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := cart.chosen(matchers); got != want {
			t.Errorf("%s chooses the pod: %t, want %t", text, got, want)
		}
	}
}

// Each selector that cannot be read is the client's fault and says what is wrong.
func TestSelectorsThatAreRefused(t *testing.T) {
	for text, says := range map[string]string{
		`service_name="cart"`:      "not in braces",
		`{service_name="cart"`:     "not in braces",
		`{service_name}`:           "where a condition",
		`{service_name=cart}`:      "not in double quotes",
		`{service_name="cart}`:     "not in double quotes",
		`{service_name='c'}`:       "not in double quotes",
		`{service_name=="cart"}`:   "not in double quotes",
		`{service_name>"cart"}`:    "where a condition",
		`{="cart"}`:                "where a condition",
		`{pod="a" node="b"}`:       "a comma is missing",
		`{le="0.5"}`:               `label "le" is not known here`,
		`{pod=~"("}`:               "missing closing )",
		`{pod=~"(a{1000}){1000}"}`: "invalid repeat count",
		`{pod=~"` + strings.Repeat("a|", maxPattern) + `"}`:   "the limit is 4096",
		`{pod="` + strings.Repeat("a", maxSelector) + `"}`:    "the limit is 16384",
		`{` + strings.Repeat(`pod="a",`, maxMatchers+1) + `}`: "more than 32 conditions",
		"{pod=\"\xff": "not in braces",
	} {
		_, err := parseSelector(text)
		if err == nil || connect.CodeOf(err) != connect.CodeInvalidArgument || !strings.Contains(err.Error(), says) {
			t.Errorf("%.60s: %v, want one that says %q", text, err, says)
		}
	}
}

func FuzzSelector(f *testing.F) {
	for _, seed := range []string{`{service_name="cart",pod=~"a|b"}`, `{`, "{pod=`x`}", `{pod!~"\x00"}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		matchers, err := parseSelector(text)
		if err != nil && connect.CodeOf(err) != connect.CodeInvalidArgument {
			t.Fatalf("%q: %v", text, err)
		}
		labels{labelPod: text}.chosen(matchers)
	})
}
