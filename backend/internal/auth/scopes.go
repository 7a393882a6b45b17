package auth

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"
	"k8s.io/apimachinery/pkg/util/cache"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/access"
	"github.com/podflame/podflame/backend/profile"
)

// Namespaces lists the namespaces that have anything to be read, as
// store.Store.Namespaces does.
type Namespaces func(ctx context.Context) (list []string, truncated bool, err error)

// Scopes works out which namespaces somebody may see. It needs no right to list
// namespaces: it asks for each that has profiles. It is safe for concurrent use.
type Scopes struct {
	reviewer   Reviewer
	namespaces Namespaces
	limits     Limits
	now        func() time.Time
	metrics    *Metrics

	decisions *cache.LRUExpireCache // by question: bool
	turns     *semaphore.Weighted
	listing   singleflight.Group

	mu     sync.Mutex
	listed time.Time
	list   []string
}

// question is what the API server was asked.
type question struct {
	who       [sha256.Size]byte
	namespace string
}

// NewScopes returns Scopes.
func NewScopes(reviewer Reviewer, namespaces Namespaces, limits Limits, now func() time.Time, metrics *Metrics) *Scopes {
	return &Scopes{
		reviewer: reviewer, namespaces: namespaces, limits: limits, now: now, metrics: metrics,
		decisions: cache.NewLRUExpireCacheWithClock(limits.Remembered, clockOf(now)),
		turns:     semaphore.NewWeighted(int64(limits.Reviews)),
	}
}

// Within returns the scope of these namespaces, all of which must be allowed.
func (s *Scopes) Within(ctx context.Context, who Identity, namespaces []string) (access.Scope, error) {
	for _, namespace := range namespaces {
		allowed, err := s.allowed(ctx, who, namespace) // the right for all includes each
		if err != nil {
			return access.Scope{}, err
		}
		if !allowed {
			return access.Scope{}, api.Errorf(profile.Forbidden, "%.200q may not get profiles.profiling.io in namespace %.80q", who.Name, namespace)
		}
	}
	return access.Of(namespaces...), nil
}

// Of returns the scope of all namespaces that somebody may see.
func (s *Scopes) Of(ctx context.Context, who Identity) (access.Scope, error) {
	if all, err := s.allowed(ctx, who, ""); err != nil || all {
		return access.Everything(), err
	}
	list, err := s.known(ctx)
	if err != nil {
		return access.Scope{}, err
	}
	var mu sync.Mutex
	var mine []string
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(s.limits.Reviews)
	for _, namespace := range list {
		g.Go(func() error {
			allowed, err := s.allowed(ctx, who, namespace)
			if allowed {
				mu.Lock()
				defer mu.Unlock()
				mine = append(mine, namespace)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return access.Scope{}, err
	}
	return access.Of(mine...), nil
}

func (s *Scopes) allowed(ctx context.Context, who Identity, namespace string) (bool, error) {
	q := question{who.fingerprint(), namespace}
	if known, ok := s.decisions.Get(q); ok {
		return known.(bool), nil
	}
	var allowed bool
	err := asked(ctx, s.turns, s.limits, s.metrics, "access", func(ctx context.Context) (err error) {
		allowed, err = s.reviewer.MayRead(ctx, who, namespace)
		return err
	})
	if err != nil {
		return false, err
	}
	s.decisions.Add(q, allowed, s.limits.RememberAccess)
	return allowed, nil
}

// known lists the namespaces that have anything, at most RememberAccess old.
func (s *Scopes) known(ctx context.Context) ([]string, error) {
	s.mu.Lock()
	list, fresh := s.list, !s.listed.IsZero() && s.now().Sub(s.listed) < s.limits.RememberAccess
	s.mu.Unlock()
	if fresh {
		return list, nil
	}
	answer := s.listing.DoChan("", func() (any, error) {
		// One who hangs up must not spoil it for the others.
		list, _, err := s.namespaces(context.WithoutCancel(ctx))
		if err != nil {
			return nil, api.Errorf(profile.StoreUnavailable, "ClickHouse cannot be asked which namespaces there are").Because(err).Retry(unavailableFor)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.list, s.listed = list, s.now()
		return list, nil
	})
	select {
	case a := <-answer:
		if a.Err != nil {
			return nil, a.Err
		}
		return a.Val.([]string), nil
	case <-ctx.Done():
		return nil, away("list namespaces", ctx.Err())
	}
}
