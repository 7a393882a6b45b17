package ingest

import (
	"errors"
	"slices"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
)

// storeError turns an error of the store into an answer. Only what ClickHouse
// will never take is final; after anything else the same window must come
// again.
func (in *Ingest) storeError(err error) error {
	e, ok := errors.AsType[*store.Error](err)
	if ok && e.Class == store.Refused {
		return api.Errorf(profile.StoreRejected, "ClickHouse refused the data for good").Because(err)
	}
	wait := 5 * time.Second
	if ok && e.RetryAfter > 0 {
		wait = e.RetryAfter
	}
	return api.Errorf(profile.StoreUnavailable, "ClickHouse did not confirm the data").Because(err).Retry(wait)
}

// finals are the reasons for which an upload is refused for good.
func finals() []profile.Reason {
	return []profile.Reason{
		profile.Malformed, profile.UnsupportedFormat, profile.BodyTooLarge, profile.DecodedTooLarge,
		profile.LimitExceeded, profile.LedgerMismatch, profile.OutsideRetention, profile.InFuture,
		profile.StoreRejected, profile.Unauthenticated, profile.Internal,
	}
}

// temporaries are the reasons for which an upload shall come again.
func temporaries() []profile.Reason {
	return []profile.Reason{profile.Overloaded, profile.StoreUnavailable, profile.BackendUnreached}
}

// unknownReason stands for reasons of a newer sidecar where an open set of
// values would be a hazard: in labels and in sums.
const unknownReason profile.Reason = "unknown"

func known(r profile.Reason) profile.Reason {
	if slices.ContainsFunc(profile.ReasonTexts(), func(t profile.ReasonText) bool { return t.Reason == r }) {
		return r
	}
	return unknownReason
}
