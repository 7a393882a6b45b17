package agent

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/target"
)

// board holds what the agent knows of each JVM, for reports and metrics.
type board struct {
	metrics *metrics

	mu       sync.Mutex
	statuses map[string]TargetStatus // by target.Process.Key
}

func newBoard(m *metrics) *board { return &board{metrics: m, statuses: map[string]TargetStatus{}} }

func (b *board) update(key string, change func(*TargetStatus)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.statuses[key]
	change(&s)
	b.statuses[key] = s
	b.metrics.showStates(b.statuses)
}

func (b *board) get(key string) TargetStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.statuses[key]
}

func (b *board) forget(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.statuses, key)
	b.metrics.showStates(b.statuses)
}

// list returns the statuses ordered by pid.
func (b *board) list() []TargetStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := slices.Collect(maps.Values(b.statuses))
	slices.SortFunc(list, func(x, y TargetStatus) int { return x.Target.PID - y.Target.PID })
	return list
}

// endOthers notes that JVMs without a worker have ended, as their workers do for the
// others, and drops the status of those whose end has been shown or is not to be.
func (b *board) endOthers(found []target.Process, running map[string]bool, now time.Time, traceless func(TargetStatus) bool) {
	alive := map[string]bool{}
	for _, p := range found {
		alive[p.Key()] = true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, s := range b.statuses {
		switch {
		case alive[key] || running[key]:
		case s.leftOut() && !traceless(s):
			s.set(now, "", profile.JVMExited, "")
			b.statuses[key] = s
		case s.Reason != profile.JVMExited || now.Sub(s.Since) >= showGone:
			delete(b.statuses, key)
		}
	}
	b.metrics.showStates(b.statuses)
}
