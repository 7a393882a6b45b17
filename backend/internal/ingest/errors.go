package ingest

import (
	"errors"
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
	if ok && e.Class == store.IDTaken {
		return api.Errorf(profile.IDTaken, "the pod has used this window id for another target, service or start").Because(err)
	}
	wait := 5 * time.Second
	if ok && e.RetryAfter > 0 {
		wait = e.RetryAfter
	}
	if ok && e.Class == store.Busy {
		return api.Errorf(profile.StoreQueueFull, "windows come faster than ClickHouse takes them").Because(err).Retry(wait)
	}
	return api.Errorf(profile.StoreUnavailable, "ClickHouse did not confirm the data").Because(err).Retry(wait)
}

// finals are the reasons for which an upload is refused for good.
func finals() []profile.Reason {
	return []profile.Reason{
		profile.Malformed, profile.UnsupportedFormat, profile.BodyTooLarge, profile.DecodedTooLarge,
		profile.LimitExceeded, profile.LedgerMismatch, profile.OutsideRetention, profile.InFuture, profile.IDTaken,
		profile.StoreRejected, profile.Internal, profile.Unauthenticated, profile.TokenMalformed, profile.TokenExpired,
		profile.TokenAudience, profile.TokenRefused, profile.TokenUnbound, profile.NotOwnPod,
	}
}

// temporaries are the reasons for which an upload shall come again.
func temporaries() []profile.Reason {
	return []profile.Reason{profile.Overloaded, profile.SourceLimit, profile.StoreQueueFull, profile.TooManyRefusals, profile.StoreUnavailable, profile.BackendUnreached, profile.ReviewUnavailable}
}
