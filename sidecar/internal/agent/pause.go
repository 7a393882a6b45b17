package agent

import "sync/atomic"

// pause is whether the operator of the backend has stopped profiling here.
type pause struct{ why atomic.Pointer[string] }

// set stops profiling for the reason that a person gave, or, with nil, lets it
// go on.
func (p *pause) set(why *string) { p.why.Store(why) }

func (p *pause) on() bool { return p.why.Load() != nil }

func (p *pause) detail() string {
	if why := p.why.Load(); why != nil {
		return *why
	}
	return ""
}
