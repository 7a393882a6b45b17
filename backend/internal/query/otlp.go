package query

import (
	"slices"
	"strings"

	pprof "github.com/google/pprof/profile"
	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/slim/otlp/profiles/v1development"
	resource "go.opentelemetry.io/proto/slim/otlp/resource/v1"
	"google.golang.org/protobuf/proto"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/backend/profile/formats"
)

// OTLPVersion is the version of OTLP profiles that can be exported. It is still in
// development: later ones do not read it.
const OTLPVersion = "v1development"

// otlp is the selection as OTLP ProfilesData: a profile of the counts, and one of
// the values. As in pprof the file name of a function is its kind; the coverage is
// an attribute of both.
func (s *stacks) otlp(r request, set *profile.StackSet) ([]byte, error) {
	d := newOTLPDictionary(set)
	count, value := formats.SampleTypes(r.sel.Type)
	coverage := d.attribute("podflame.coverage", strings.Join(s.comments(r), "\n"))
	scope := &otlp.ScopeProfiles{Scope: &common.InstrumentationScope{Name: "podflame"}}
	for _, p := range []struct {
		of     *pprof.ValueType
		amount func(profile.Stack) int64
	}{
		{count, func(s profile.Stack) int64 { return s.Count }},
		{value, func(s profile.Stack) int64 { return s.Value }},
	} {
		one := &otlp.Profile{
			SampleType:   &otlp.ValueType{TypeStrindex: d.text(p.of.Type), UnitStrindex: d.text(p.of.Unit)},
			TimeUnixNano: uint64(r.rng.From.UnixNano()), DurationNano: uint64(r.rng.To.Sub(r.rng.From)),
			AttributeIndices: []int32{coverage},
		}
		for i, stack := range set.Stacks {
			if n := p.amount(stack); n != 0 {
				one.Samples = append(one.Samples, &otlp.Sample{StackIndex: int32(i + 1), Values: []int64{n}})
			}
		}
		scope.Profiles = append(scope.Profiles, one)
	}
	return proto.Marshal(&otlp.ProfilesData{
		Dictionary: d.ProfilesDictionary,
		ResourceProfiles: []*otlp.ResourceProfiles{{
			Resource: &resource.Resource{Attributes: []*common.KeyValue{
				{Key: "service.name", Value: otlpText(r.sel.Service)}, {Key: "k8s.namespace.name", Value: otlpText(r.sel.Namespace)},
				{Key: "k8s.cluster.name", Value: otlpText(r.sel.Cluster)},
			}},
			ScopeProfiles: []*otlp.ScopeProfiles{scope},
		}},
	})
}

// otlpDictionary is what profiles refer to. The first entry of each table stands
// for none.
type otlpDictionary struct {
	*otlp.ProfilesDictionary
	texts map[string]int32
}

// newOTLPDictionary has location i + 1 for function i, and stack i + 1 for stack i.
func newOTLPDictionary(set *profile.StackSet) *otlpDictionary {
	d := &otlpDictionary{
		ProfilesDictionary: &otlp.ProfilesDictionary{
			MappingTable: []*otlp.Mapping{{}}, LocationTable: []*otlp.Location{{}}, FunctionTable: []*otlp.Function{{}},
			LinkTable: []*otlp.Link{{}}, AttributeTable: []*otlp.KeyValueAndUnit{{}}, StackTable: []*otlp.Stack{{}}, StringTable: []string{""},
		},
		texts: map[string]int32{"": 0},
	}
	kinds := map[string]int32{}
	for i, f := range set.Functions {
		d.FunctionTable = append(d.FunctionTable, &otlp.Function{NameStrindex: d.text(f.Name), FilenameStrindex: d.text(f.Kind.String())})
		location := &otlp.Location{Lines: []*otlp.Line{{FunctionIndex: int32(i + 1)}}}
		if frame := frameType(f.Kind); frame != "" {
			if kinds[frame] == 0 {
				kinds[frame] = d.attribute("profile.frame.type", frame)
			}
			location.AttributeIndices = []int32{kinds[frame]}
		}
		d.LocationTable = append(d.LocationTable, location)
	}
	for _, s := range set.Stacks {
		stack := &otlp.Stack{}
		for _, f := range slices.Backward(s.Frames) { // leaf first
			stack.LocationIndices = append(stack.LocationIndices, int32(f+1))
		}
		d.StackTable = append(d.StackTable, stack)
	}
	return d
}

// frameType is what the semantic conventions call a kind; empty if they do not.
func frameType(k profile.Kind) string {
	switch k {
	case profile.Java:
		return "jvm"
	case profile.Native, profile.CPP:
		return "native"
	case profile.Kernel:
		return "kernel"
	}
	return ""
}

func (d *otlpDictionary) text(s string) int32 {
	i, ok := d.texts[s]
	if !ok {
		i = int32(len(d.StringTable))
		d.texts[s], d.StringTable = i, append(d.StringTable, s)
	}
	return i
}

func (d *otlpDictionary) attribute(key, value string) int32 {
	d.AttributeTable = append(d.AttributeTable, &otlp.KeyValueAndUnit{KeyStrindex: d.text(key), Value: otlpText(value)})
	return int32(len(d.AttributeTable) - 1)
}

func otlpText(s string) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: s}}
}
