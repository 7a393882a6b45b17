package push

import (
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/podflame/podflame/sidecar/internal/spool"
)

// aside holds the windows that have failed for what may be a reason of their own.
// Each waits, ever longer, for another attempt, while the others go on. The
// spool's age limits how long.
type aside struct {
	config  Config
	windows map[string]*turn // by name of the entry
}

type turn struct {
	at    time.Time // of the next attempt
	waits *backoff.ExponentialBackOff
}

// maxAside bounds the windows that are set aside: where more fail, it is not
// their own fault.
const maxAside = 64

func newAside(config Config) *aside { return &aside{config: config, windows: map[string]*turn{}} }

func newWaits(config Config) *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(config.MinWait),
		backoff.WithMaxInterval(config.MaxWait),
		backoff.WithMaxElapsedTime(0), // the spool's age limits how long a window is tried
		backoff.WithRandomizationFactor(0.3),
	)
}

// put sets a window aside and returns for how long.
func (a *aside) put(e spool.Entry) time.Duration {
	t := a.windows[e.Name]
	if t == nil {
		if len(a.windows) >= maxAside {
			return 0
		}
		t = &turn{waits: newWaits(a.config)}
		a.windows[e.Name] = t
	}
	wait := t.waits.NextBackOff()
	t.at = time.Now().Add(wait)
	return wait
}

// has says whether a window was set aside and has not been sent since.
func (a *aside) has(e spool.Entry) bool { return a.windows[e.Name] != nil }

// holds says whether the turn of a window has not come yet.
func (a *aside) holds(e spool.Entry) bool {
	t := a.windows[e.Name]
	return t != nil && time.Now().Before(t.at)
}

// release brings every turn forward to now.
func (a *aside) release() {
	for _, t := range a.windows {
		t.at = time.Time{}
	}
}

func (a *aside) forget(e spool.Entry) { delete(a.windows, e.Name) }

// next is how long it is until the first turn. Windows that the spool has given
// up in the meantime are forgotten when theirs comes.
func (a *aside) next() time.Duration {
	wait := a.config.MaxWait
	for name, t := range a.windows {
		if left := time.Until(t.at); left > 0 {
			wait = min(wait, left)
		} else {
			delete(a.windows, name)
		}
	}
	return wait
}
