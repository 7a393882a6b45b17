package inspect

import (
	"fmt"
	"io"

	pprof "github.com/google/pprof/profile"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/backend/profile/formats"
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
	set, names := r.set(t), r.pprofNames(t)
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
	hasValue := r.unit(t) != "samples" && !r.unvalued(t) // raw samples are the count already
	if hasValue {
		p.SampleType = append(p.SampleType, names.value)
	}
	p.DefaultSampleType = p.SampleType[len(p.SampleType)-1].Type
	if r.req.Value == Count {
		p.DefaultSampleType = names.count.Type
	}
	formats.AddSamples(p, set, hasValue)
	p.Comments = r.missing([]profile.Coverage{*r.coverage(t)})
	return p
}

// pprofType is how pprof calls the count and the value of a type.
type pprofType struct{ count, value *pprof.ValueType }

func (r *recording) pprofNames(t profile.Type) pprofType {
	count, value := formats.SampleTypes(t)
	if name := r.name(t); name != string(t) {
		return pprofType{&pprof.ValueType{Type: "samples", Unit: "count"}, &pprof.ValueType{Type: name, Unit: r.unit(t)}}
	}
	return pprofType{count, value}
}

func (r *recording) period(t profile.Type) int64 {
	s := r.result.Settings
	if r.name(t) != string(t) {
		return r.result.Event.Weight
	}
	switch t {
	case profile.Alloc, profile.Live:
		return s.AllocInterval
	case profile.NativeMem:
		return s.NativeInterval
	case profile.NativeLock:
		return int64(s.NativeThreshold)
	case profile.Lock:
		return int64(s.LockThreshold)
	case profile.Wall:
		return int64(s.WallInterval)
	}
	return int64(s.CPUInterval)
}
