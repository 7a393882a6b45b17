package query

import (
	"net/url"
	"strings"
	"testing"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/api/apitest"
	"github.com/podflame/podflame/backend/profile"
)

const execThreads = "http-nio-8080-exec-#"

// ofTwoPools are windows of which one thread group has three quarters of the CPU
// time, the other one a quarter, and one window that does not tell threads.
func ofTwoPools() []*profile.Window {
	windows := tenMinutes()
	for _, w := range windows[1:] {
		b := profile.NewBuilder(profile.CPU, profile.Limits{})
		loop := []uint32{b.Function("java.lang.Thread.run", profile.Java), b.Function("shop.Loop.run", profile.Java)}
		b.AddIn(execThreads, loop, profile.Amount{Value: 300, Count: 30})
		b.AddIn("pool-2-thread-#", loop, profile.Amount{Value: 100, Count: 10})
		w.Sets[0], w.Coverage[0] = b.Build()
	}
	return windows
}

func TestThreadsAreAFilterAndAPart(t *testing.T) {
	h := newHarness(t, nil)
	h.store.windows = ofTwoPools()
	unknown := h.store.windows[0].Set(profile.CPU).Total()
	exec, pool := profile.Amount{Value: 2700, Count: 270}, profile.Amount{Value: 900, Count: 90}
	all := unknown.Add(exec).Add(pool)
	for query, want := range map[string]profile.Amount{
		"":                                       all,
		"thread=" + url.QueryEscape(execThreads): exec,
		"thread=" + url.QueryEscape(execThreads) + "&thread=" + url.QueryEscape("pool-2-thread-#"): exec.Add(pool),
		"thread=" + url.QueryEscape(profile.UnknownThreads):                                        unknown,
		"excludeThread=" + url.QueryEscape(profile.UnknownThreads):                                 exec.Add(pool),
		"excludeThread=" + url.QueryEscape(execThreads) + "&include=Loop":                          pool,
		"thread=nobody": {},
	} {
		f := apitest.Decode[api.Flame](t, h.Get(t, "/api/v1/flame?"+selection+hour+"&"+query))
		if inside := treeOf(f.Graph).Totals(0)[0]; inside != want || f.Total != all || f.Outside.Add(inside) != all {
			t.Errorf("%q: %+v inside, want %+v; %+v outside of %+v", query, inside, want, f.Outside, f.Total)
		}
		top := apitest.Decode[api.Top](t, h.Get(t, "/api/v1/top?limit=10000&"+selection+hour+"&"+query))
		if top.Total != all || top.Outside != f.Outside {
			t.Errorf("%q: the table has %+v outside of %+v", query, top.Outside, top.Total)
		}
		if strings.Contains(query, "include") {
			continue
		}
		s := apitest.Decode[api.Series](t, h.Get(t, "/api/v1/series?"+selection+hour+"&"+query))
		var sum profile.Amount
		for _, p := range s.Points {
			sum = sum.Add(profile.Amount{Value: p.Value, Count: p.Count})
		}
		if sum != want || len(s.Parts) != 0 {
			t.Errorf("%q: the timeline sums to %+v, want %+v; parts %+v", query, sum, want, s.Parts)
		}
	}
	s := apitest.Decode[api.Series](t, h.Get(t, "/api/v1/series?by=thread&"+selection+hour))
	got := map[string]profile.Amount{}
	for _, p := range s.Parts {
		got[p.Name] = p.Total
	}
	if s.By != "thread" || len(got) != 3 || got[execThreads] != exec || got["pool-2-thread-#"] != pool || got[profile.UnknownThreads] != unknown {
		t.Errorf("by %q: %+v", s.By, got)
	}
	some := apitest.Decode[api.Series](t, h.Get(t, "/api/v1/series?by=thread&"+selection+hour+"&excludeThread="+url.QueryEscape(execThreads)))
	if len(some.Parts) != 2 {
		t.Errorf("without one of three: %+v", some.Parts)
	}
	e := apitest.Refused(t, h.Get(t, "/api/v1/series?by=pod&thread=main&"+selection+hour), 400, profile.BadParameter)
	if !strings.Contains(e.Message, "by thread, not by pod") {
		t.Error(e.Message)
	}
}

// Two thread groups of the same service are sides of a comparison.
func TestThreadsAreSidesOfAComparison(t *testing.T) {
	h := newHarness(t, nil)
	h.store.windows = ofTwoPools()
	d := apitest.Decode[api.Diff](t, h.Get(t, "/api/v1/diff?"+selection+hour+"&thread="+url.QueryEscape(execThreads)+"&baseThread="+url.QueryEscape("pool-2-thread-#")))
	sum := func(side api.DiffSide) (n int64) {
		for _, v := range side.Values {
			n += v
		}
		return n
	}
	if sum(d.Head) != 2700 || sum(d.Base) != 900 || d.Head.Total != d.Base.Total {
		t.Errorf("head %d of %+v, base %d of %+v", sum(d.Head), d.Head.Total, sum(d.Base), d.Base.Total)
	}
}

// Names of thread groups that nothing is of are told, in each answer that they
// would leave empty, or whole: as an empty answer alone says nothing.
func TestThreadsThatChooseNothingAreTold(t *testing.T) {
	h := newHarness(t, nil)
	h.store.windows = ofTwoPools()
	told := func(c api.Coverage) (n int) {
		for _, l := range c.Notices {
			if l.Reason == profile.NoSuchThreads {
				n++
			}
		}
		return n
	}
	exec := url.QueryEscape(execThreads)
	for query, want := range map[string]int{
		"": 0, "thread=nobody": 1, "excludeThread=nobody": 1, "thread=nobody&thread=" + exec: 0, "excludeThread=nobody&excludeThread=" + exec: 0,
		"thread=" + exec: 0, "excludeThread=" + exec: 0, "thread=" + exec + "&include=no.such.method": 0, "thread=nobody&version=0.0.0": 0,
	} {
		for path, coverage := range map[string]func(path string) api.Coverage{
			"flame":  func(path string) api.Coverage { return apitest.Decode[api.Flame](t, h.Get(t, path)).Coverage },
			"top":    func(path string) api.Coverage { return apitest.Decode[api.Top](t, h.Get(t, path)).Coverage },
			"series": func(path string) api.Coverage { return apitest.Decode[api.Series](t, h.Get(t, path)).Coverage },
			"changes": func(path string) api.Coverage {
				return apitest.Decode[api.Changes](t, h.Get(t, path+"&baseVersion=0.0.0")).Head.Coverage
			},
		} {
			if path == "series" && strings.Contains(query, "include") {
				continue
			}
			if got := told(coverage("/api/v1/" + path + "?" + selection + hour + "&" + query)); got != want {
				t.Errorf("%s of %q tells it %d times, want %d", path, query, got, want)
			}
		}
	}
	d := apitest.Decode[api.Diff](t, h.Get(t, "/api/v1/diff?"+selection+hour+"&thread="+exec+"&baseThread=nobody"))
	if told(d.Base.Coverage) != 1 || told(d.Head.Coverage) != 0 {
		t.Errorf("a comparison tells it of base %d times, of head %d times", told(d.Base.Coverage), told(d.Head.Coverage))
	}
}
