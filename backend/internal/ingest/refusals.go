package ingest

import (
	"net"
	"slices"
	"sync"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/access"
	"github.com/podflame/podflame/backend/internal/auth"
	"github.com/podflame/podflame/backend/profile"
)

// maxRefusals bounds the senders that refusals remembers; the one that was
// refused longest ago is forgotten.
const maxRefusals = 200

// refusals remembers whose uploads were refused for good, and why.
type refusals struct {
	mu sync.Mutex
	of map[refused]*refusal
}

// refused is a sender, by pod where that is known and by address where it is
// not, and a reason.
type refused struct {
	pod     auth.Pod
	address string
	reason  profile.Reason
}

type refusal struct {
	count   int64
	last    time.Time
	message string
	address string
}

func newRefusals() *refusals { return &refusals{of: map[refused]*refusal{}} }

func (r *refusals) add(now time.Time, sender auth.Sender, remote string, e *api.Error) {
	address, _, err := net.SplitHostPort(remote)
	if err != nil {
		address = remote
	}
	key := refused{reason: e.Code, address: address}
	if pod := sender.Pod(); pod != nil {
		key.pod, key.address = *pod, "" // a pod has one address at a time, and keeps its name
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	one := r.of[key]
	if one == nil {
		r.makeRoom()
		one = &refusal{}
		r.of[key] = one
	}
	one.count++
	one.last, one.message, one.address = now, e.Message, address
}

// makeRoom forgets who was refused longest ago.
func (r *refusals) makeRoom() {
	if len(r.of) < maxRefusals {
		return
	}
	var oldest refused
	var last time.Time
	for key, one := range r.of {
		if last.IsZero() || one.last.Before(last) {
			oldest, last = key, one.last
		}
	}
	delete(r.of, oldest)
}

// list returns the refusals in scope, the latest first. Those of unknown senders
// are for readers of everything.
func (r *refusals) list(s access.Scope) []api.Refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := []api.Refusal{}
	for key, one := range r.of {
		if !s.Allows(key.pod.Namespace) {
			continue
		}
		list = append(list, api.Refusal{
			ReasonCount: api.ReasonCount{ReasonText: profile.Explain(key.reason), Count: one.count},
			Namespace:   key.pod.Namespace, Pod: key.pod.Name, Address: one.address, Message: one.message, Last: one.last.UTC(),
		})
	}
	slices.SortFunc(list, func(a, b api.Refusal) int { return b.Last.Compare(a.Last) })
	return list
}
