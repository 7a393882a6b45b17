package query

import (
	"maps"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/pprofile"

	"github.com/podflame/podflame/backend/api/apitest"
	"github.com/podflame/podflame/backend/profile"
)

// The OpenTelemetry Collector's own reader finds every stack with its count and
// its value, of the kinds that they are.
func TestExportOTLP(t *testing.T) {
	h := newHarness(t, func(c *Config) { c.OTLP = true })
	h.store.windows = tenMinutes()
	h.store.omitted = profile.Amount{Value: 7, Count: 1}
	w := h.Get(t, "/api/v1/export?format=otlp-"+OTLPVersion+"&"+selection+hour)
	file, err := (&pprofile.ProtoUnmarshaler{}).UnmarshalProfiles(w.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if name := w.Header().Get("Content-Disposition"); !strings.Contains(name, ".otlp.pb") {
		t.Errorf("name is %q", name)
	}
	of := file.ResourceProfiles().At(0)
	if service, _ := of.Resource().Attributes().Get("service.name"); service.Str() != "checkout" {
		t.Errorf("it is of service %q", service.Str())
	}
	all := merged(h.store.windows, profile.CPU)
	want := [2]map[string]int64{{}, {}}
	for _, s := range all.Stacks {
		var names []string
		for _, f := range s.Frames {
			names = append(names, all.Functions[f].Name+" "+all.Functions[f].Kind.String())
		}
		want[0][strings.Join(names, ";")] += s.Count
		want[1][strings.Join(names, ";")] += s.Value
	}
	want[0]["(omitted) omitted"], want[1]["(omitted) omitted"] = 1, 7
	profiles := of.ScopeProfiles().At(0).Profiles()
	if profiles.Len() != 2 {
		t.Fatalf("%d profiles", profiles.Len())
	}
	for i, unit := range []string{"samples count", "cpu nanoseconds"} {
		p := profiles.At(i)
		texts := file.Dictionary().StringTable()
		if got := texts.At(int(p.SampleType().TypeStrindex())) + " " + texts.At(int(p.SampleType().UnitStrindex())); got != unit {
			t.Errorf("profile %d is of %s, want %s", i, got, unit)
		}
		if got := stacksOfOTLP(file.Dictionary(), p); !maps.Equal(got, want[i]) {
			t.Errorf("%s: %d stacks, want %d: %v", unit, len(got), len(want[i]), got)
		}
		coverage := file.Dictionary().AttributeTable().At(int(p.AttributeIndices().At(0)))
		if !strings.Contains(coverage.Value().Str(), "windows: 10 of 10 stored, 0 lost") {
			t.Errorf("coverage is %q", coverage.Value().Str())
		}
	}
}

// stacksOfOTLP is the value of each stack: names with their kinds, root first.
func stacksOfOTLP(d pprofile.ProfilesDictionary, p pprofile.Profile) map[string]int64 {
	out := map[string]int64{}
	for _, sample := range p.Samples().All() {
		var names []string
		for _, at := range d.StackTable().At(int(sample.StackIndex())).LocationIndices().All() {
			location := d.LocationTable().At(int(at))
			f := d.FunctionTable().At(int(location.Lines().At(0).FunctionIndex()))
			kind := d.StringTable().At(int(f.FilenameStrindex()))
			if kind == "java" && d.AttributeTable().At(int(location.AttributeIndices().At(0))).Value().Str() != "jvm" {
				kind = "of another frame type"
			}
			names = append([]string{d.StringTable().At(int(f.NameStrindex())) + " " + kind}, names...)
		}
		out[strings.Join(names, ";")] += sample.Values().At(0)
	}
	return out
}

// A format in development is offered to who has asked for it.
func TestExportOTLPIsBehindAFlag(t *testing.T) {
	h := newHarness(t, nil)
	h.store.windows = tenMinutes()
	e := apitest.Refused(t, h.Get(t, "/api/v1/export?format=otlp-"+OTLPVersion+"&"+selection+hour), 400, profile.BadParameter)
	if !strings.Contains(e.Hint, "--otlp-profiles="+OTLPVersion) {
		t.Errorf("hint is %q", e.Hint)
	}
}
