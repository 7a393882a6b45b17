package ingest

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
)

func (in *Ingest) putWindow(c *gin.Context) error {
	begin := time.Now()
	body, release, err := in.body(c.Writer, c.Request, int64(in.Limits.Decode.MaxEncoded))
	if err != nil {
		return err
	}
	defer release()
	done, err := in.turn(c.Request.Context())
	if err != nil {
		return err
	}
	defer done()
	w, err := profile.Decode(body, in.Limits.Decode)
	if err != nil {
		return fmt.Errorf("window of %d bytes: %w", len(body), err)
	}
	if err := in.acceptable(w); err != nil {
		return err
	}
	result, err := in.insert(c.Request.Context(), w)
	if err != nil {
		return err
	}
	in.count(w, result, int64(len(body)), time.Since(begin))
	api.Write(c.Writer, http.StatusOK, receipt(w, result))
	return nil
}

// turn waits until one more window may be decoded.
func (in *Ingest) turn(ctx context.Context) (done func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, in.Limits.DecodingWait)
	defer cancel()
	if in.decoding.Acquire(ctx, 1) != nil {
		return nil, api.Errorf(profile.Overloaded, "%d windows are being stored, and none was finished within %s",
			in.Limits.Decoding, in.Limits.DecodingWait).Retry(in.Limits.RetryAfter)
	}
	return func() { in.decoding.Release(1) }, nil
}

// acceptable says why a well-formed window is not taken, or nil.
func (in *Ingest) acceptable(w *profile.Window) error {
	now := in.Now()
	if oldest := now.Add(-in.Limits.Retention); w.Start.Before(oldest) {
		return api.Errorf(profile.OutsideRetention, "the window starts at %s, data is kept since %s",
			w.Start.Format(time.RFC3339), oldest.UTC().Format(time.RFC3339))
	}
	if latest := now.Add(in.Limits.Ahead); w.End.After(latest) {
		return api.Errorf(profile.InFuture, "the window ends at %s, more than %s after the backend's %s",
			w.End.Format(time.RFC3339), in.Limits.Ahead, now.UTC().Format(time.RFC3339))
	}
	t := &w.Target
	if t.Service == "" {
		return api.Errorf(profile.Malformed, "the window of pod %.80q names no service", t.Pod)
	}
	dimensions := []struct{ name, value string }{
		{"cluster", t.Cluster}, {"namespace", t.Namespace}, {"service", t.Service}, {"version", t.Version}, {"pod", t.Pod}, {"container", t.Container},
	}
	for _, d := range dimensions {
		if len(d.value) > maxDimension {
			return api.Exceeded(profile.LimitExceeded, "bytes of the "+d.name, int64(len(d.value)), maxDimension)
		}
	}
	return nil
}

// insert stores a window. It goes on when the sender hangs up: the store bounds
// the time, and the retry finds the window stored.
func (in *Ingest) insert(ctx context.Context, w *profile.Window) (store.Result, error) {
	begin := time.Now()
	result, err := in.Store.Insert(context.WithoutCancel(ctx), w)
	if err != nil {
		return store.Result{}, in.storeError(err)
	}
	elapsed := time.Since(begin)
	in.metrics.insertSeconds.Observe(elapsed.Seconds())
	in.tally.inserted(elapsed)
	return result, nil
}

func receipt(w *profile.Window, result store.Result) api.Receipt {
	r := api.Receipt{
		ID: w.ID, Status: api.Accepted,
		Stored:    map[profile.Type]profile.Amount{},
		Truncated: map[profile.Type]profile.Amount{},
	}
	if result.Duplicate {
		r.Status = api.Duplicate
	}
	for _, c := range w.Coverage {
		r.Stored[c.Type] = c.Stored
	}
	return r
}

// count enters a stored window in metrics, health and the store's events.
func (in *Ingest) count(w *profile.Window, result store.Result, bytes int64, elapsed time.Duration) {
	in.metrics.windowSeconds.Observe(elapsed.Seconds())
	if result.Duplicate {
		in.metrics.windows.WithLabelValues(string(store.Duplicate), "").Inc()
		in.tally.duplicates.Add(1)
		in.Store.Record(store.Event{Outcome: store.Duplicate, Windows: 1, Bytes: bytes})
		return
	}
	accepted := store.Event{Outcome: store.Accepted, Windows: 1, Bytes: bytes}
	losses := profile.AddLosses(nil, w.Losses...)
	for _, c := range w.Coverage {
		accepted.Samples += c.Stored.Count
		losses = profile.AddLosses(losses, c.Losses...)
	}
	in.metrics.windows.WithLabelValues(string(store.Accepted), "").Inc()
	in.tally.accepted.Add(1)
	in.Store.Record(accepted)
	for _, l := range losses {
		l.Reason = known(l.Reason)
		l.Value = 0 // ns of one type and bytes of another do not add up
		in.metrics.lostSamples.WithLabelValues(l.Outcome.String(), string(l.Reason)).Add(float64(l.Count))
		in.tally.lost(in.Now(), l)
		if outcome, ok := eventOf(l.Outcome); ok {
			in.Store.Record(store.Event{Outcome: outcome, Reason: l.Reason, Windows: 1, Bytes: l.Bytes, Samples: l.Count})
		}
	}
}

func eventOf(o profile.Outcome) (store.EventOutcome, bool) {
	switch o {
	case profile.Truncated:
		return store.Truncated, true
	case profile.Dropped:
		return store.Dropped, true
	}
	return "", false
}
