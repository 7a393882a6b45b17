package formats

import (
	"slices"

	pprof "github.com/google/pprof/profile"

	"github.com/podflame/podflame/backend/profile"
)

// SampleTypes returns how pprof calls the count and the value of a type.
func SampleTypes(t profile.Type) (count, value *pprof.ValueType) {
	samples := &pprof.ValueType{Type: "samples", Unit: "count"}
	switch t {
	case profile.Alloc:
		return &pprof.ValueType{Type: "alloc_samples", Unit: "count"}, &pprof.ValueType{Type: "alloc_space", Unit: "bytes"}
	case profile.Live:
		return &pprof.ValueType{Type: "live_samples", Unit: "count"}, &pprof.ValueType{Type: "live_space", Unit: "bytes"}
	case profile.NativeMem:
		return &pprof.ValueType{Type: "malloc_samples", Unit: "count"}, &pprof.ValueType{Type: "malloc_space", Unit: "bytes"}
	case profile.Lock, profile.NativeLock:
		return &pprof.ValueType{Type: "contentions", Unit: "count"}, &pprof.ValueType{Type: "delay", Unit: "nanoseconds"}
	case profile.Wall:
		return samples, &pprof.ValueType{Type: "wall", Unit: "nanoseconds"}
	}
	return samples, &pprof.ValueType{Type: "cpu", Unit: "nanoseconds"}
}

// AddSamples enters stacks into a pprof, leaf first as pprof has them, with one
// location per function. Samples have their count and, if wanted, their value.
func AddSamples(p *pprof.Profile, set *profile.StackSet, hasValue bool) {
	for i, f := range set.Functions {
		function := &pprof.Function{ID: uint64(i + 1), Name: f.Name, SystemName: f.Name}
		p.Function = append(p.Function, function)
		p.Location = append(p.Location, &pprof.Location{ID: uint64(i + 1), Line: []pprof.Line{{Function: function}}})
	}
	for _, s := range set.Stacks {
		sample := &pprof.Sample{Value: []int64{s.Count}}
		if hasValue {
			sample.Value = append(sample.Value, s.Value)
		}
		for _, f := range slices.Backward(s.Frames) {
			sample.Location = append(sample.Location, p.Location[f])
		}
		p.Sample = append(p.Sample, sample)
	}
}
