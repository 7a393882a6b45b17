package query

import (
	"context"
	"errors"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
)

var errTimeout = errors.New("the time for a query is over")

// asError turns what went wrong into an answer.
func (q *Query) asError(ctx context.Context, err error) *api.Error {
	if ctx.Err() != nil { // nobody reads it, but it is counted
		return api.Errorf(profile.BackendUnreached, "the client went away").Because(err)
	}
	if errors.Is(err, errTimeout) {
		return api.Errorf(profile.QueryTooExpensive, "the answer was not ready within %s (--query-timeout, and what work on it may take besides)", q.Limits.Timeout).Because(err)
	}
	e, ok := errors.AsType[*store.Error](err)
	if !ok {
		return api.AsError(err)
	}
	switch e.Class {
	case store.Unavailable, store.UnknownOutcome:
		return api.Errorf(profile.StoreUnavailable, "ClickHouse did not answer").Because(err).Retry(max(e.RetryAfter, 2*time.Second))
	case store.TooExpensive, store.SumTooLarge:
		return api.Errorf(e.Reason(), "%s", e.Said()).Because(err)
	case store.Overloaded:
		return api.Errorf(profile.Overloaded, "%v", e.Err).Because(err).Retry(max(e.RetryAfter, time.Second))
	case store.BadSelection:
		return api.Errorf(profile.BadParameter, "%v", e.Err).Because(err)
	}
	return api.AsError(errors.New(e.Error()))
}

// outcomes are the values of the label outcome.
func outcomes() []string {
	list := []string{"ok"}
	for _, r := range []profile.Reason{
		profile.BadParameter, profile.UnknownService, profile.QueryTooExpensive, profile.SumTooLarge, profile.Overloaded,
		profile.StoreUnavailable, profile.BackendUnreached, profile.Internal,
	} {
		list = append(list, string(r))
	}
	return list
}
