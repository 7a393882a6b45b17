package inspect

import (
	"fmt"
	"io"
	"slices"

	pprof "github.com/google/pprof/profile"

	"github.com/podflame/podflame/backend/profile"
)

// writePprof writes gzipped pprof. Its default sample type is the value that
// was asked for; what could not be read is in its comments.
func (r *recording) writePprof(out io.Writer, t profile.Type) error {
	p := r.pprof(t)
	if err := p.CheckValid(); err != nil {
		return fmt.Errorf("make pprof of %s: %w", r.req.Path, err)
	}
	if err := p.Write(out); err != nil {
		return fmt.Errorf("write pprof: %w", err)
	}
	return nil
}

func (r *recording) pprof(t profile.Type) *pprof.Profile {
	set, names := r.set(t), pprofNames(t)
	recorded := r.result.Recorded
	p := &pprof.Profile{
		SampleType: []*pprof.ValueType{names.count},
		PeriodType: names.value,
		Period:     r.period(t),
	}
	if !recorded.Start.IsZero() {
		p.TimeNanos = recorded.Start.UnixNano()
		p.DurationNanos = int64(recorded.End.Sub(recorded.Start))
	}
	hasValue := r.unit(t) != "samples" // raw samples are the count already
	if hasValue {
		p.SampleType = append(p.SampleType, names.value)
	}
	p.DefaultSampleType = p.SampleType[len(p.SampleType)-1].Type
	if r.req.Value == Count {
		p.DefaultSampleType = names.count.Type
	}
	addSamples(p, set, hasValue)
	for _, l := range r.losses {
		p.Comments = append(p.Comments, describe(l))
	}
	return p
}

// addSamples enters the stacks, leaf first as pprof has them, with one location
// per function.
func addSamples(p *pprof.Profile, set *profile.StackSet, hasValue bool) {
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

// pprofType is how pprof calls the count and the value of a type.
type pprofType struct{ count, value *pprof.ValueType }

func pprofNames(t profile.Type) pprofType {
	samples := &pprof.ValueType{Type: "samples", Unit: "count"}
	switch t {
	case profile.Alloc:
		return pprofType{&pprof.ValueType{Type: "alloc_samples", Unit: "count"}, &pprof.ValueType{Type: "alloc_space", Unit: "bytes"}}
	case profile.Lock:
		return pprofType{&pprof.ValueType{Type: "contentions", Unit: "count"}, &pprof.ValueType{Type: "delay", Unit: "nanoseconds"}}
	case profile.Wall:
		return pprofType{samples, &pprof.ValueType{Type: "wall", Unit: "nanoseconds"}}
	}
	return pprofType{samples, &pprof.ValueType{Type: "cpu", Unit: "nanoseconds"}}
}

func (r *recording) period(t profile.Type) int64 {
	s := r.result.Settings
	switch t {
	case profile.Alloc:
		return s.AllocInterval
	case profile.Lock:
		return int64(s.LockThreshold)
	case profile.Wall:
		return int64(s.WallInterval)
	}
	return int64(s.CPUInterval)
}
