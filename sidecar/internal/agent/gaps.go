package agent

import (
	"time"

	"github.com/podflame/podflame/backend/profile"
)

// gaps adds up the time that nobody profiles, by reason, until a window takes
// it.
type gaps struct {
	reason profile.Reason // since when and why; empty while the JVM is profiled
	since  time.Time
	losses []profile.Loss
}

// set says that from now on the reason holds; an empty one ends the gap.
func (g *gaps) set(now time.Time, r profile.Reason) {
	g.close(now)
	g.reason = r
}

func (g *gaps) close(now time.Time) {
	if g.reason != "" && now.After(g.since) {
		g.add(g.reason, now.Sub(g.since))
	}
	g.since = now
}

func (g *gaps) add(r profile.Reason, d time.Duration) {
	g.losses = profile.AddLosses(g.losses, profile.Loss{Outcome: profile.Dropped, Reason: r, Duration: d})
}

// take returns the gaps up to now and begins anew.
func (g *gaps) take(now time.Time) []profile.Loss {
	g.close(now)
	losses := g.losses
	g.losses = nil
	return losses
}
