package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"
	"k8s.io/apimachinery/pkg/util/cache"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
)

// Limits bound what is remembered of the API server's answers and how often it
// is asked. They count as they are: 0 is no default, and not "no limit".
type Limits struct {
	RememberToken  time.Duration // that a token is good; at most MaxRememberToken
	RememberBad    time.Duration // that a token is not
	RememberAccess time.Duration // what a reader may see
	Remembered     int           // answers of each kind
	Reviews        int           // questions to the API server at a time
	SourceReviews  int           // of them, for tokens that one address shows
	Refusals       int           // of tokens that one address shows, in a row; then one each RefusalEvery
	RefusalEvery   time.Duration
	ReviewWait     time.Duration // for one's turn to ask
	ReviewTimeout  time.Duration // of one question
}

// MaxRememberToken bounds how long a token of a deleted pod can still be used.
const MaxRememberToken = 5 * time.Minute

// DefaultLimits returns limits for some ten thousand sidecars.
func DefaultLimits() Limits {
	return Limits{
		RememberToken:  MaxRememberToken,
		RememberBad:    10 * time.Second,
		RememberAccess: 30 * time.Second,
		Remembered:     20_000,
		Reviews:        32,
		SourceReviews:  8, // not 1: pods of a node can share an address
		Refusals:       20,
		RefusalEvery:   5 * time.Second,
		ReviewWait:     2 * time.Second,
		ReviewTimeout:  5 * time.Second, // with the wait, less than a sidecar waits
	}
}

// leeway is how long after its expiry the API server still accepts a token, as
// clocks differ.
const leeway = time.Minute

// Tokens says whose a token is. It asks the API server once for each token in
// Limits.RememberToken and keeps the hash of a token, never the token. It is
// safe for concurrent use.
type Tokens struct {
	reviewer Reviewer
	audience string
	limits   Limits
	now      func() time.Time
	metrics  *Metrics

	good, bad *cache.LRUExpireCache // by hash: Identity, *api.Error
	asking    singleflight.Group
	turns     *semaphore.Weighted
	sources   *sources
}

// NewTokens returns Tokens that accept one audience.
func NewTokens(reviewer Reviewer, audience string, limits Limits, now func() time.Time, metrics *Metrics) *Tokens {
	clock := clockOf(now)
	return &Tokens{
		reviewer: reviewer, audience: audience, limits: limits, now: now, metrics: metrics,
		good:  cache.NewLRUExpireCacheWithClock(limits.Remembered, clock),
		bad:   cache.NewLRUExpireCacheWithClock(limits.Remembered, clock),
		turns: semaphore.NewWeighted(int64(limits.Reviews)), sources: newSources(limits, now),
	}
}

type clockOf func() time.Time

// Now implements the clock of the cache.
func (c clockOf) Now() time.Time { return c() }

// Identify returns whose a token is that an address shows, or an *api.Error.
func (t *Tokens) Identify(ctx context.Context, from netip.Addr, token string) (Identity, error) {
	said, err := readClaims(token)
	if err != nil {
		return Identity{}, api.Errorf(profile.TokenMalformed, "the token cannot be read: %v", err)
	}
	if !slices.Contains(said.Audience, t.audience) {
		return Identity{}, api.Errorf(profile.TokenAudience, "the token is for %.200q, not for %q", strings.Join(said.Audience, " "), t.audience)
	}
	if now := t.now(); now.After(said.expires().Add(leeway)) {
		return Identity{}, api.Errorf(profile.TokenExpired, "the token expired at %s, %s ago",
			said.expires().UTC().Format(time.RFC3339), now.Sub(said.expires()).Round(time.Second))
	}
	sum := sha256.Sum256([]byte(token))
	if who, ok := t.good.Get(sum); ok {
		t.metrics.remembered.Inc()
		return who.(Identity), nil
	}
	if refused, ok := t.bad.Get(sum); ok {
		t.metrics.remembered.Inc()
		return Identity{}, refused.(*api.Error)
	}
	source := t.sources.of(from)
	if source.exhausted(t.now()) {
		t.metrics.limited()
		return Identity{}, api.Errorf(profile.TooManyRefusals, "the cluster refused %d tokens from %s in a short time; it is asked about one each %s now",
			t.limits.Refusals, from, t.limits.RefusalEvery).Retry(t.limits.RefusalEvery)
	}
	return t.ask(ctx, source, token, sum, said)
}

// ask asks the API server, once for everybody who shows the token now.
func (t *Tokens) ask(ctx context.Context, source *source, token string, sum [sha256.Size]byte, said claims) (Identity, error) {
	answer := t.asking.DoChan(hex.EncodeToString(sum[:]), func() (any, error) {
		// One who hangs up must not spoil it for the others.
		return t.review(context.WithoutCancel(ctx), source, token, sum, said)
	})
	select {
	case a := <-answer:
		if a.Err != nil {
			return Identity{}, a.Err
		}
		return a.Val.(Identity), nil
	case <-ctx.Done():
		return Identity{}, away("wait for a review", ctx.Err())
	}
}

// review holds a turn of the source until there is an answer, also if who showed
// the token has hung up.
func (t *Tokens) review(ctx context.Context, source *source, token string, sum [sha256.Size]byte, said claims) (Identity, error) {
	limits, begin := t.limits, time.Now()
	waiting, cancel := context.WithTimeout(ctx, limits.ReviewWait)
	defer cancel()
	if !turn(waiting, source.turns) {
		t.metrics.limited()
		return Identity{}, api.Errorf(profile.ReviewUnavailable, "%d questions to the Kubernetes API server about tokens from your address are open, and none was answered within %s",
			limits.SourceReviews, limits.ReviewWait).Retry(unavailableFor)
	}
	defer source.turns.Release(1)
	limits.ReviewWait -= time.Since(begin)
	var who Identity
	err := asked(ctx, t.turns, limits, t.metrics, "token", func(ctx context.Context) (err error) {
		who, err = t.reviewer.Token(ctx, token, t.audience)
		return err
	})
	if err != nil {
		if e := api.AsError(err); e.RetryAfter == 0 {
			source.refused(t.now())
			t.bad.Add(sum, e, t.limits.RememberBad)
		}
		return Identity{}, err
	}
	who.Expires = said.expires() // which the API server has now vouched for
	if left := who.Expires.Sub(t.now()); left > 0 {
		t.good.Add(sum, who, min(left, t.limits.RememberToken, MaxRememberToken))
	}
	return who, nil
}

// turn takes a turn, which the taker releases. A free one is taken also when the
// time to wait is over.
func turn(waiting context.Context, turns *semaphore.Weighted) bool {
	return turns.TryAcquire(1) || turns.Acquire(waiting, 1) == nil
}

// asked asks the API server one question within the limits.
func asked(ctx context.Context, turns *semaphore.Weighted, limits Limits, metrics *Metrics, what string, question func(context.Context) error) error {
	waiting, cancel := context.WithTimeout(ctx, limits.ReviewWait)
	defer cancel()
	if !turn(waiting, turns) {
		e := api.Errorf(profile.ReviewUnavailable, "%d questions to the Kubernetes API server are open, and none was answered in time", limits.Reviews)
		metrics.asked(what, 0, e)
		return e.Retry(unavailableFor)
	}
	defer turns.Release(1)
	begin := time.Now()
	ctx, cancel = context.WithTimeoutCause(ctx, limits.ReviewTimeout, fmt.Errorf("no answer within %s", limits.ReviewTimeout))
	defer cancel()
	err := question(ctx)
	metrics.asked(what, time.Since(begin), err)
	return err
}
