package auth

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/util/cache"
)

// sources keep the requests of one address from taking the API server from the
// others: each has a share of the questions at a time, and a budget of refusals.
type sources struct {
	limits Limits
	now    func() time.Time

	mu    sync.Mutex
	known *cache.LRUExpireCache // by address: *source
}

// source is what one address may still ask.
type source struct {
	turns    *semaphore.Weighted
	refusals *rate.Limiter
}

func newSources(limits Limits, now func() time.Time) *sources {
	return &sources{limits: limits, now: now, known: cache.NewLRUExpireCacheWithClock(limits.Remembered, clockOf(now))}
}

// of returns the source of an address. One that was forgotten begins anew: it was
// idle until its budget was whole, or there are more than Limits.Remembered.
func (s *sources) of(address netip.Addr) *source {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.known.Get(address)
	if !ok {
		known = &source{
			turns:    semaphore.NewWeighted(int64(s.limits.SourceReviews)),
			refusals: rate.NewLimiter(rate.Every(s.limits.RefusalEvery), s.limits.Refusals),
		}
	}
	whole := time.Duration(s.limits.Refusals)*s.limits.RefusalEvery + s.limits.ReviewWait + s.limits.ReviewTimeout
	s.known.Add(address, known, whole)
	return known.(*source)
}

// exhausted reports whether the last refusals of the source have used up its
// budget.
func (s *source) exhausted(now time.Time) bool { return s.refusals.TokensAt(now) < 1 }

// refused enters a refusal.
func (s *source) refused(now time.Time) { s.refusals.AllowN(now, 1) }

// sourceOf is the address that a request comes from; the zero address if it has
// none, as in tests.
func sourceOf(r *http.Request) netip.Addr {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return from.Addr().Unmap()
}
