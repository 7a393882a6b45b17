package inspect

import (
	"strings"

	"github.com/podflame/podflame/backend/profile"
)

// A recording of another event than CPU time (calls of a method, page faults)
// has a type of its own here, named as the profiler was asked for it. Its samples
// are in the set of CPU.

// name is how a type of the recording is called.
func (r *recording) name(t profile.Type) string {
	if t == profile.CPU && r.result.Event.Name != "" {
		return r.result.Event.Name
	}
	return string(t)
}

// named returns the type with that name.
func (r *recording) named(name string) (profile.Type, bool) {
	for _, t := range profile.Types() {
		if r.name(t) == name {
			return t, true
		}
	}
	return "", false
}

// unit is the unit of a stack's value.
func (r *recording) unit(t profile.Type) string {
	switch {
	case r.req.Value == Raw && (t == profile.CPU || t == profile.Wall):
		return "samples"
	case r.name(t) != string(t):
		return r.result.Event.Unit
	}
	return t.Unit()
}

// countUnit is the unit of a stack's count. A raw count is one of events.
func (r *recording) countUnit(t profile.Type) string {
	if r.req.Value == Raw {
		return "samples"
	}
	return t.CountUnit()
}

// number is what is asked for of a stack. Of a recording that was read raw, the
// value is the raw sum. Where no value is known it is the count.
func (r *recording) number(t profile.Type, s profile.Stack) int64 {
	if r.req.Value == Count || r.unvalued(t) {
		return s.Count
	}
	return s.Value
}

// unvalued says whether no value of the type is known.
func (r *recording) unvalued(t profile.Type) bool {
	c := r.coverage(t)
	return c != nil && c.Stored.Value == 0 && c.Sum(profile.Unvalued).Count > 0
}

func (r *recording) coverage(t profile.Type) *profile.Coverage {
	for i := range r.result.Coverage {
		if r.result.Coverage[i].Type == t {
			return &r.result.Coverage[i]
		}
	}
	return nil
}

// shown are the ledgers of the types that are asked for.
func (r *recording) shown() []profile.Coverage {
	if r.req.Type == "" {
		return r.result.Coverage
	}
	t, _ := r.named(r.req.Type)
	if c := r.coverage(t); c != nil {
		return []profile.Coverage{*c}
	}
	return nil
}

// has names the types that have samples.
func (r *recording) has() []string {
	var names []string
	for i := range r.result.Sets {
		names = append(names, r.name(r.result.Sets[i].Type))
	}
	return names
}

// checkType returns an error if the type that is asked for is none of the
// recording's.
func (r *recording) checkType() error {
	if _, ok := r.named(r.req.Type); ok || r.req.Type == "" {
		return nil
	}
	if _, err := profile.ParseType(r.req.Type); err == nil {
		return nothing("%s: no %s samples; %s", r.req.Path, r.req.Type, r.whatElse())
	}
	var all []string
	for _, t := range profile.Types() {
		all = append(all, r.name(t))
	}
	return usage("--type %s: types of %s are %s; %s", r.req.Type, r.req.Path, strings.Join(all, ", "), r.whatElse())
}
