package agent

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/asprof"
	"github.com/podflame/podflame/sidecar/internal/jfr"
)

// liveSince is the first version of Java with the sampler of allocations whose
// objects can be followed.
const liveSince = 11

// wish is what the pod's annotations ask for, as far as this JVM can do it.
func (w *worker) wish() wish {
	wish := w.config.wish(w.settings, w.clock.Now())
	settings, why := w.possible(wish.settings)
	wish.settings, wish.refused = settings, cmp.Or(wish.refused, why)
	return wish
}

// possible are settings without the events that this JVM does not have, and why.
// A session that is asked for one of these would not begin.
func (w *worker) possible(s contract.Settings) (possible contract.Settings, why string) {
	if !slices.Contains(s.Events, "live") {
		return s, ""
	}
	switch java := profile.JavaFeature(w.target.JVMVersion); {
	case java < liveSince:
		why = fmt.Sprintf("event live needs Java %d or later, and this is %q", liveSince, w.target.JVMVersion)
	case w.noLive:
		why = "event live: another agent in the JVM has its sampler of allocations, which only one can have"
	default:
		return s, ""
	}
	s.Events = slices.DeleteFunc(slices.Clone(s.Events), func(event string) bool { return event == "live" })
	return s, why
}

// tryWithoutLive gives live objects up if a session did not begin because of them.
func (w *worker) tryWithoutLive(err error) {
	if asprof.NoLiveObjects(err) {
		w.noLive = true
		w.settings, _ = w.possible(w.settings)
	}
}

// liveRate is how many allocation samples a second leave room for all of their
// objects in the profiler's table, in windows of that length.
func liveRate(window time.Duration) int {
	return max(1, int(0.8*jfr.LiveTable/window.Seconds()))
}

// liveText says why allocations are sampled so seldom.
func (w *worker) liveText() string {
	if !slices.Contains(w.settings.Events, "live") {
		return ""
	}
	return fmt.Sprintf(" (%d a second, so that the objects of a window can be followed)", w.rules()["alloc"].Rate)
}
