package query

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/api/apitest"
	"github.com/podflame/podflame/backend/profile"
)

// attack would end a string, a statement or a pattern, or name a parameter of
// ClickHouse, if it were taken for more than a name.
const attack = `x' OR '1'='1"); DROP TABLE samples; -- {service:String} /* \' ` + "`\x00"

// TestNamesAreOnlyNames gives each parameter that is a text an attack, on a real
// ClickHouse: nothing is selected by it, nothing fails by it, nothing is gone
// after it.
func TestNamesAreOnlyNames(t *testing.T) {
	c, end := real(t), time.Now().UTC().Truncate(time.Minute)
	windows := where(history(end), func(w *profile.Window) bool { return w.Target.Service == "checkout" })
	upload(t, c, windows)
	asked := url.Values{
		"cluster": {"prod"}, "namespace": {"shop"}, "service": {"checkout"}, "type": {"cpu"},
		"from": {fmt.Sprint(end.Add(-12 * time.Minute).Unix())}, "to": {fmt.Sprint(end.Unix())},
	}
	sum := func(query url.Values) (sum int64) {
		for _, v := range apitest.Decode[api.Flame](t, c.Get(t, "/api/v1/flame?"+query.Encode())).Values {
			sum += v
		}
		return sum
	}
	all := sum(asked)
	if all == 0 {
		t.Fatal("there is nothing to attack")
	}
	for _, e := range (&Query{}).endpoints() {
		for _, name := range slices.Sorted(maps.Keys(e.takes)) {
			if !isText(name) || e.path != "flame" && e.takes[name] != required && slices.Contains(texts(), name) && !slices.Contains(ownStatements(), e.path) {
				continue // it goes the way that it goes for the flame graph
			}
			query := url.Values{"function": {"java.lang.Thread.run"}, "by": {"thread"}, "format": {"collapsed"}}
			maps.Copy(query, asked)
			maps.DeleteFunc(query, func(name string, _ []string) bool { _, ok := e.takes[name]; return !ok })
			query.Set(name, attack)
			w := c.Get(t, "/api/v1/"+e.path+"?"+query.Encode())
			if w.Code >= 500 {
				t.Errorf("%s with an attack as %s: %d %s", e.path, name, w.Code, w.Body)
			}
			if e.path == "flame" && w.Code == http.StatusOK && name != "exclude" && name != "excludeThread" {
				if got := sum(query); got != 0 {
					t.Errorf("an attack as %s selects %d", name, got)
				}
			}
		}
	}
	if now := sum(asked); now != all {
		t.Errorf("after the attacks there are %d, before there were %d", now, all)
	}
}

// texts are the parameters that narrow a selection.
func texts() []string {
	return []string{"cluster", "namespace", "service", "version", "pod", "container", "node", "thread", "excludeThread", "include", "exclude", "package", "path"}
}

// ownStatements are the endpoints that put names into other statements than the
// flame graph does.
func ownStatements() []string {
	return []string{"targets", "series", "heatmap", "coverage", "fleet/top"}
}

func isText(name string) bool {
	return slices.Contains(texts(), name) || name == "function" ||
		slices.Contains([]string{"baseCluster", "baseNamespace", "baseService", "baseVersion", "basePod", "baseContainer", "baseNode", "baseThread"}, name)
}

// TestEveryParameterHasARange asks every endpoint for what is beyond each of its
// parameters. The store is not asked.
func TestEveryParameterHasARange(t *testing.T) {
	h := newHarness(t, nil)
	long := string(make([]byte, 10_000))
	wrong := func(name string) []string {
		switch name {
		case "from", "to", "baseFrom", "baseTo":
			return []string{"", "-1", "1.5", "now", "1e3", "99999999999999999999", "253402300800"}
		case "nodes", "points", "parts", "rows", "limit":
			return []string{"0", "-1", "1.5", "many", "1000000", "99999999999999999999"}
		case "type", "by", "format", "amount", "order":
			return []string{"x", attack, long}
		case "series", "baseSeries":
			return []string{"x", "0123456789abcdeg", "0123456789abcdef0", long}
		}
		return []string{long, "\xff"}
	}
	for _, e := range h.query.endpoints() {
		for _, name := range slices.Sorted(maps.Keys(e.takes)) {
			for _, value := range wrong(name) {
				if value == "" && e.takes[name] != required {
					continue
				}
				query := url.Values{"service": {"checkout"}, "type": {"cpu"}, "from": {fmt.Sprint(now.Unix() - 3600)}, "to": {fmt.Sprint(now.Unix())}, "function": {"f"}, "format": {"pprof"}}
				if name == "baseFrom" || name == "baseTo" {
					query["baseFrom"], query["baseTo"] = query["from"], query["to"]
				}
				maps.DeleteFunc(query, func(name string, _ []string) bool { _, ok := e.takes[name]; return !ok })
				query.Set(name, value)
				refused := apitest.Refused(t, h.Get(t, "/api/v1/"+e.path+"?"+query.Encode()), 400, profile.BadParameter)
				if refused.Message == "" || refused.Hint == "" {
					t.Errorf("%s with %s=%.40q: %+v", e.path, name, value, refused)
				}
			}
		}
	}
	if h.store.asked != 0 {
		t.Errorf("the store was asked %d times", h.store.asked)
	}
}
