package ingest

import (
	"sync"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/auth"
	"github.com/podflame/podflame/backend/profile"
)

// pods counts the uploads of each pod that are being answered: a sidecar sends one
// window and one report at a time.
type pods struct {
	limit      int
	retryAfter time.Duration

	mu sync.Mutex
	of map[auth.Pod]int // only those that have some
}

func newPods(limit int, retryAfter time.Duration) *pods {
	return &pods{limit: limit, retryAfter: retryAfter, of: map[auth.Pod]int{}}
}

func (p *pods) enter(pod auth.Pod) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := p.of[pod]; n >= p.limit {
		return api.Exceeded(profile.SourceLimit, "uploads in progress of the pod", int64(n+1), int64(p.limit)).Retry(p.retryAfter)
	}
	p.of[pod]++
	return nil
}

func (p *pods) leave(pod auth.Pod) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of[pod]--; p.of[pod] == 0 {
		delete(p.of, pod)
	}
}
