package query

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/api/apitest"
	"github.com/podflame/podflame/backend/profile"
)

// hour is a valid range.
var hour = fmt.Sprintf("from=%d&to=%d", now.Unix()-3600, now.Unix())

func TestBadParameters(t *testing.T) {
	const checkout = "/api/v1/flame?service=checkout&type=cpu&"
	at := func(from, to int64) string { return fmt.Sprintf("from=%d&to=%d", now.Unix()+from, now.Unix()+to) }
	cases := []struct{ path, says string }{
		{"/api/v1/flame?type=cpu&" + hour, "parameter service: required"},
		{"/api/v1/flame?service=&type=cpu&" + hour, "parameter service: required"},
		{"/api/v1/flame?service=checkout&" + hour, "parameter type: required"},
		{"/api/v1/flame?service=checkout&type=heap&" + hour, `parameter type: profile type "heap"`},
		{checkout, "parameter from: required"},
		{checkout + "from=1", "parameter to: required"},
		{checkout + "from=yesterday&to=5", `parameter from: "yesterday" is not a time`},
		{checkout + "from=-5&to=5", `parameter from: "-5" is not a time`},
		{checkout + "from=1.5&to=5", `parameter from: "1.5" is not a time`},
		{checkout + "from=5&to=99999999999999999999", "parameter to:"},
		{checkout + at(-60, -3600), "is not before"},
		{checkout + at(-60, -60), "is not before"},
		{checkout + "from=0&to=1795348830", "the limit is 604800"},
		{checkout + at(-60, 86400), "parameter to is"},
		{checkout + hour + "&nodes=0", `parameter nodes: "0" is not a number from 1 to 262144`},
		{checkout + hour + "&nodes=-1", "parameter nodes"},
		{checkout + hour + "&nodes=lots", "parameter nodes"},
		{checkout + hour + "&nodes=262145", "parameter nodes is 262145, the limit is 262144"},
		{checkout + hour + "&nodes=9223372036854775808", "parameter nodes"},
		{checkout + hour + "&nodes=5&nodes=6", "parameter nodes: given 2 times"},
		{checkout + hour + "&form=1", `parameter "form": not known here`},
		{checkout + hour + "&series=12", "parameter series"},
		{checkout + hour + "&series=ABCDEF0123456789", "parameter series"},
		{checkout + hour + "&cluster=" + strings.Repeat("c", 257), "parameter cluster is 257, the limit is 256"},
		{checkout + hour + "&cluster=%ff", "is not UTF-8"},
		{checkout + hour + "&cluster=%zz", "cannot be parsed"},
		{checkout + hour + "&cluster=" + strings.Repeat("c", 70_000), "length of the query string"},
		{checkout + hour + "&include=" + strings.Repeat("i", 10_000), "parameter include: it has 10000 bytes, at most 256 are allowed"},
		{checkout + hour + "&include=/(a/", "parameter include: error parsing regexp: missing closing )"},
		{checkout + hour + "&exclude=/(a%7B1000%7D)%7B1000%7D/", "parameter exclude: error parsing regexp: invalid repeat count"},
		{checkout + hour + "&exclude=/%5Ba-z%5D%7B999%7D%5Ba-z%5D%7B9%7D/", "at most 1000 are allowed"},
		{checkout + hour + "&include=a&include=b", "parameter include: given 2 times"},
		{checkout + hour + "&package=" + strings.Repeat("p", 257), "parameter package is 257, the limit is 256"},
		{checkout + hour + "&path=" + strings.Repeat("p", 1025), "parameter path is 1025, the limit is 1024"},
		{checkout + hour + strings.Repeat("&path=a", 1001), "number of times that path is given is 1001, the limit is 1000"},
		{checkout + hour + "&pod=%ff", "parameter pod: \"\\xff\" is not UTF-8"},
		{checkout + hour + "&node=" + strings.Repeat("n", 10_000), "parameter node is 10000, the limit is 256"},
		{checkout + hour + "&function=main", `parameter "function": not known here`},
		{"/api/v1/callers?service=checkout&type=cpu&" + hour, "parameter function: required"},
		{"/api/v1/callees?service=checkout&type=cpu&function=" + strings.Repeat("f", 1025) + "&" + hour, "parameter function is 1025, the limit is 1024"},
		{"/api/v1/series?service=checkout&type=cpu&" + hour + "&points=2001", "parameter points is 2001, the limit is 2000"},
		{"/api/v1/top?service=checkout&type=cpu&" + hour + "&limit=10001", "parameter limit is 10001, the limit is 10000"},
		{"/api/v1/top?service=checkout&type=cpu&" + hour + "&order=name", `parameter order: "name" is not one of self, total`},
		{"/api/v1/services", "parameter from: required"},
		{"/api/v1/targets?service=a&type=cpu", `parameter "type": not known here; known are: cluster, namespace, service`},
	}
	h := newHarness(t, nil)
	for _, c := range cases {
		t.Run(c.path[:min(len(c.path), 120)], func(t *testing.T) {
			e := apitest.Refused(t, h.Get(t, c.path), 400, profile.BadParameter)
			if !strings.Contains(e.Message, c.says) || e.Hint == "" {
				t.Errorf("answer %+v does not say %q", e, c.says)
			}
		})
	}
	if h.store.asked != 0 {
		t.Errorf("the store was asked %d times", h.store.asked)
	}
}

// Whatever is asked, what passes the parser is within the limits.
func FuzzParse(f *testing.F) {
	limits := DefaultLimits()
	endpoints := (&Query{}).endpoints()
	f.Add(3, "service=checkout&type=cpu&"+hour+"&nodes=7&series=0123456789abcdef")
	f.Add(2, "service=checkout&type=alloc&cluster=c&namespace=n&version=1&"+hour+"&points=7")
	f.Add(4, "service=a&type=lock&order=total&limit=3&"+hour)
	f.Add(1, "cluster=&service=%00")
	f.Add(3, "service=checkout&type=cpu&from=-9223372036854775808&to=9223372036854775807")
	f.Fuzz(func(t *testing.T, which int, query string) {
		takes := endpoints[uint(which)%uint(len(endpoints))].takes
		r, err := parse(takes, query, now, limits)
		if err != nil {
			if e, ok := errors.AsType[*api.Error](err); !ok || e.Code != profile.BadParameter || e.Message == "" {
				t.Fatalf("error is %v", err)
			}
			return
		}
		if takes["from"] == required {
			if length := r.rng.To.Sub(r.rng.From); length <= 0 || length > limits.Retention || r.rng.To.After(now.Add(limits.Ahead)) {
				t.Errorf("range %v", r.rng)
			}
		}
		if takes["service"] == required && (r.sel.Service == "" || r.sel.Type == "") {
			t.Errorf("selection %+v", r.sel)
		}
		if len(r.sel.Service) > maxText || len(r.sel.Cluster) > maxText || len(r.sel.Series) > 1 {
			t.Errorf("selection %+v", r.sel)
		}
		for name, bound := range map[string][2]int{"nodes": {r.nodes, limits.MaxNodes}, "points": {r.points, limits.MaxPoints}, "limit": {r.functions, limits.MaxFunctions}} {
			if bound[0] < 1 || bound[0] > bound[1] {
				t.Errorf("%s is %d", name, bound[0])
			}
		}
	})
}

// What is asked wrongly is answered with what to do about it.
func TestRefusedParametersHaveARemedy(t *testing.T) {
	h := newHarness(t, nil)
	for query, hint := range map[string]string{
		selection + fmt.Sprintf("from=%d&to=%d", now.Unix(), now.Unix()-60): "Swap them",
		strings.Replace(selection, "cpu", "heap", 1) + hour:                 profile.TypeNames(),
	} {
		if e := apitest.Refused(t, h.Get(t, "/api/v1/flame?"+query), 400, profile.BadParameter); !strings.Contains(e.Hint, hint) {
			t.Errorf("%s: hint is %q, want %q", query, e.Hint, hint)
		}
	}
}
