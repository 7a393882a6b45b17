package pyroscope

import (
	"strings"

	"connectrpc.com/connect"

	"github.com/podflame/podflame/backend/internal/pyroscope/wire"
	"github.com/podflame/podflame/backend/profile"
)

// profileType is how Pyroscope names one number of a type.
type profileType struct {
	id      string // name:sample type:sample unit:period type:period unit
	of      profile.Type
	counts  bool   // the number of samples, not their value
	units   string // of /pyroscope/render
	perUnit int64  // ticks of /pyroscope/render in one of the units: a second has so many, or 1
}

func profileTypes() []profileType {
	return []profileType{
		{"process_cpu:cpu:nanoseconds:cpu:nanoseconds", profile.CPU, false, "samples", 1e9},
		{"process_cpu:samples:count:cpu:nanoseconds", profile.CPU, true, "samples", 1},
		{"memory:alloc_space:bytes:space:bytes", profile.Alloc, false, "bytes", 1},
		{"memory:alloc_samples:count:space:bytes", profile.Alloc, true, "objects", 1},
		{"mutex:delay:nanoseconds:mutex:count", profile.Lock, false, "lock_nanoseconds", 1e9},
		{"mutex:contentions:count:mutex:count", profile.Lock, true, "lock_samples", 1},
		{"wall:wall:nanoseconds:wall:nanoseconds", profile.Wall, false, "samples", 1e9},
		{"wall:samples:count:wall:nanoseconds", profile.Wall, true, "samples", 1},
		{"memory:live_space:bytes:space:bytes", profile.Live, false, "bytes", 1},
		{"memory:live_samples:count:space:bytes", profile.Live, true, "objects", 1},
		{"native_memory:malloc_space:bytes:space:bytes", profile.NativeMem, false, "bytes", 1},
		{"native_memory:malloc_samples:count:space:bytes", profile.NativeMem, true, "objects", 1},
		{"native_mutex:delay:nanoseconds:mutex:count", profile.NativeLock, false, "lock_nanoseconds", 1e9},
		{"native_mutex:contentions:count:mutex:count", profile.NativeLock, true, "lock_samples", 1},
	}
}

func typeOf(id string) (profileType, error) {
	var known []string
	for _, t := range profileTypes() {
		if t.id == id {
			return t, nil
		}
		known = append(known, t.id)
	}
	return profileType{}, refuse(connect.CodeInvalidArgument, "profile type %.100q is not known here; known are: %s", id, strings.Join(known, ", "))
}

// idsOf are the names of the numbers of a type.
func idsOf(t profile.Type) []string {
	var ids []string
	for _, one := range profileTypes() {
		if one.of == t {
			ids = append(ids, one.id)
		}
	}
	return ids
}

func (t profileType) message() *wire.ProfileType {
	parts := strings.Split(t.id, ":")
	return &wire.ProfileType{
		ID: t.id, Name: parts[0], SampleType: parts[1], SampleUnit: parts[2], PeriodType: parts[3], PeriodUnit: parts[4],
	}
}

// amount is the number that the type is about.
func (t profileType) amount(a profile.Amount) int64 {
	if t.counts {
		return a.Count
	}
	return a.Value
}
