package query

import (
	"testing"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/api/apitest"
	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/backend/profile/profiletest"
)

// twoPods is ten windows of one pod and three of another.
func twoPods() []*profile.Window {
	out := tenMinutes()
	for i := range 3 {
		start := now.Truncate(time.Minute).Add(-time.Duration(15-i) * time.Minute)
		out = append(out, profiletest.Window(profiletest.Options{Seed: uint64(100 + i), Start: start, Target: profiletest.Target("checkout", "checkout-1")}))
	}
	return out
}

func TestSeriesTakenApart(t *testing.T) {
	h := newHarness(t, nil)
	h.store.windows = twoPods()
	s := apitest.Decode[api.Series](t, h.Get(t, "/api/v1/series?by=pod&"+selection+hour))
	if s.By != "pod" || len(s.Parts) != 2 || s.OtherParts != 0 || s.Parts[0].Total.Value < s.Parts[1].Total.Value {
		t.Fatalf("%d parts of %q, %d others", len(s.Parts), s.By, s.OtherParts)
	}
	for i, p := range s.Points {
		var value, count, windows int64
		for _, part := range s.Parts {
			value, count, windows = value+part.Values[i], count+part.Counts[i], windows+part.Windows[i]
		}
		if value != p.Value || count != p.Count || windows != p.Windows.Stored {
			t.Errorf("parts of %s sum to %d in %d and %d windows, the point is %+v", p.Start, value, count, windows, p)
		}
	}
	few := apitest.Decode[api.Series](t, h.Get(t, "/api/v1/series?by=pod&parts=1&"+selection+hour))
	if len(few.Parts) != 1 || few.OtherParts != 1 || few.Parts[0].Name != s.Parts[0].Name {
		t.Errorf("one part: %d and %d others", len(few.Parts), few.OtherParts)
	}
	if whole := apitest.Decode[api.Series](t, h.Get(t, "/api/v1/series?"+selection+hour)); len(whole.Parts) != 0 || whole.By != "" {
		t.Errorf("not asked for: %d parts of %q", len(whole.Parts), whole.By)
	}
	for _, bad := range []string{"by=image", "by=pod&parts=0", "by=pod&parts=201", "by=pod%27%3B--"} {
		apitest.Refused(t, h.Get(t, "/api/v1/series?"+bad+"&"+selection+hour), 400, profile.BadParameter)
	}
}

func TestHeatmapHasEveryWindow(t *testing.T) {
	h := newHarness(t, nil)
	h.store.windows = tenMinutes()
	m := apitest.Decode[api.Heatmap](t, h.Get(t, "/api/v1/heatmap?"+selection+hour))
	var sum profile.Amount
	for i, v := range m.Values {
		at := m.Start.Add(time.Duration(i) * time.Minute)
		known := !at.Before(h.store.windows[0].Start) && !at.After(h.store.windows[9].Start)
		if (v != nil) != known || (v != nil) != (m.PerSecond[i] != nil) || (v != nil) != (m.Counts[i] != nil) {
			t.Errorf("window of %s: value %v, per second %v", at, v, m.PerSecond[i])
		}
		if v != nil {
			sum = sum.Add(profile.Amount{Value: *v, Count: *m.Counts[i]})
		}
	}
	all := merged(h.store.windows, profile.CPU)
	if sum != all.Total() || m.WindowSeconds != 60 || m.Rows < 1 || len(m.Values) < 59 {
		t.Errorf("%d windows of %d s in rows of %d sum to %+v, want %+v", len(m.Values), m.WindowSeconds, m.Rows, sum, all.Total())
	}
	if rows := apitest.Decode[api.Heatmap](t, h.Get(t, "/api/v1/heatmap?rows=15&"+selection+hour)).Rows; rows != 15 {
		t.Errorf("%d rows", rows)
	}
	apitest.Refused(t, h.Get(t, "/api/v1/heatmap?rows=361&"+selection+hour), 400, profile.BadParameter)
}
