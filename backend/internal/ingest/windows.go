package ingest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/auth"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
)

func (in *Ingest) putWindow(c *gin.Context, sender auth.Sender) error {
	begin := time.Now()
	source := sourceOf(sender, c.Request)
	body, release, err := in.body(c.Writer, c.Request, source, int64(in.Limits.Decode.MaxEncoded))
	if err != nil {
		return err
	}
	defer release() // also after a panic, like free
	size, received := int64(len(body)), time.Now()
	w, free, err := in.decode(c.Request.Context(), source, body, func(w *profile.Window) error {
		if err := sender.Own(&w.Target); err != nil {
			return err
		}
		in.words.translate(w)
		return in.acceptable(w)
	})
	release()
	if err != nil {
		return err
	}
	defer free()
	result, err := in.insert(c.Request.Context(), w, received)
	free()
	if err != nil {
		return err
	}
	in.count(w, result, size, time.Since(begin))
	api.Write(c.Writer, http.StatusOK, receipt(w, result))
	return nil
}

// sourceOf is who shares the limits of a source: a namespace, or an address where
// senders do not show who they are.
func sourceOf(sender auth.Sender, r *http.Request) string {
	if namespace := namespaceOf(sender); namespace != "" {
		return "namespace " + namespace
	}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return "address " + host
	}
	return "address " + r.RemoteAddr
}

// usualGrowth is how many times the size of its message a window usually takes with
// it: it is admitted at once, as who has some and waits for more keeps others waiting.
const usualGrowth = 4

// decode builds a window that is acceptable. Its memory is admitted before it is
// made, and stays so until free is called; by then it is announced to the store.
// Who waits for memory has none, and holds up no other.
func (in *Ingest) decode(ctx context.Context, source string, body []byte, acceptable func(*profile.Window) error) (w *profile.Window, free func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, in.Limits.DecodingWait)
	defer cancel()
	limits := in.Limits.Decode
	unpacked := max(profile.UnpackedSize(body, limits), 1<<10)
	limits.MaxDecoded = int(unpacked) // not more than it said
	var room *admitted
	defer func() {
		if free == nil { // not admitted, or a panic
			room.free()
		}
	}()
	for claimed := min(usualGrowth*unpacked, in.Limits.Memory); ; {
		if room, err = in.admit(ctx, source, claimed); err != nil {
			return nil, nil, err
		}
		packed, err := in.unpack(ctx, source, body, limits)
		if err != nil {
			return nil, nil, err
		}
		built := packed.Memory()
		if built+unpacked > claimed { // once at most
			room.free()
			if claimed = built + unpacked; claimed > in.Limits.Memory {
				return nil, nil, api.Exceeded(profile.DecodedTooLarge, "memory of the window", built, in.Limits.Memory-unpacked)
			}
			continue
		}
		room.keep(built + unpacked)
		err = in.turn(ctx, source, func() (err error) {
			if w, err = packed.Window(); err != nil {
				return err
			}
			return acceptable(w)
		})
		if err != nil {
			return nil, nil, err
		}
		room.keep(built)
		return w, room.free, nil
	}
}

func (in *Ingest) unpack(ctx context.Context, source string, body []byte, limits profile.DecodeLimits) (packed *profile.Packed, err error) {
	err = in.turn(ctx, source, func() (err error) {
		packed, err = profile.Unpack(body, limits)
		return err
	})
	return packed, err
}

// turn works on a window when fewer than Limits.Decoding others are worked on.
func (in *Ingest) turn(ctx context.Context, source string, work func() error) error {
	begin := time.Now()
	turn := in.decoding.take(ctx, source)
	in.metrics.waitSeconds.WithLabelValues(forTurn).Observe(time.Since(begin).Seconds())
	if !turn {
		return api.Errorf(profile.Overloaded, "%d windows are being decoded, and none was finished within %s",
			in.Limits.Decoding, in.Limits.DecodingWait).Retry(in.Limits.RetryAfter)
	}
	defer in.decoding.give()
	return work()
}

// admitted is the memory of a window that is announced to the store.
type admitted struct {
	pool     *pool
	source   string
	bytes    int64
	answered func()
}

// admit waits for memory.
func (in *Ingest) admit(ctx context.Context, source string, bytes int64) (*admitted, error) {
	begin := time.Now()
	err := in.memory.take(ctx, source, bytes)
	in.metrics.waitSeconds.WithLabelValues(forMemory).Observe(time.Since(begin).Seconds())
	if err != nil {
		return nil, in.overloaded(fmt.Errorf("%w, and none came free within %s", err, in.Limits.DecodingWait))
	}
	return &admitted{in.memory, source, bytes, in.Store.Announce()}, nil
}

// keep returns all but so many bytes.
func (a *admitted) keep(bytes int64) {
	a.pool.give(a.source, a.bytes-bytes)
	a.bytes = bytes
}

// free ends it, once.
func (a *admitted) free() {
	if a == nil || a.answered == nil {
		return
	}
	a.keep(0)
	a.answered()
	a.answered = nil
}

// acceptable says why a well-formed window is not taken, or nil.
func (in *Ingest) acceptable(w *profile.Window) error {
	now := in.Now()
	if oldest := now.Add(-in.Limits.Retention); w.Start.Before(oldest) {
		return api.Errorf(profile.OutsideRetention, "the window starts at %s, data is kept since %s",
			w.Start.Format(time.RFC3339), oldest.UTC().Format(time.RFC3339))
	}
	if latest, at := now.Add(in.Limits.Ahead), lastMoment(w); at.After(latest) {
		return api.Errorf(profile.InFuture, "the window is of %s, more than %s after the backend's %s",
			at.Format(time.RFC3339), in.Limits.Ahead, now.UTC().Format(time.RFC3339))
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

// lastMoment is up to when a window knows anything. The last one of a JVM ends where
// windows do, which may be long after the JVM has ended.
func lastMoment(w *profile.Window) time.Time {
	if w.Recorded.End.After(w.Start) {
		return w.Recorded.End
	}
	return w.Start
}

// insert stores a window. It goes on when the sender hangs up: the retry finds the
// window stored.
func (in *Ingest) insert(ctx context.Context, w *profile.Window, received time.Time) (store.Result, error) {
	begin := time.Now()
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), received.Add(in.Limits.Answer))
	defer cancel()
	result, err := in.Store.Insert(ctx, w)
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
		Stored:    result.Stored,
		Truncated: map[profile.Type]profile.Amount{},
	}
	if result.Duplicate {
		r.Status = api.Duplicate
	}
	if result.Conflict {
		r.Reason = profile.IDConflict
	}
	if r.Stored == nil {
		r.Stored = map[profile.Type]profile.Amount{}
	}
	return r
}

// count enters a stored window in metrics, health and the store's events.
func (in *Ingest) count(w *profile.Window, result store.Result, bytes int64, elapsed time.Duration) {
	in.metrics.windowSeconds.Observe(elapsed.Seconds())
	if result.Duplicate {
		why := profile.Reason("")
		if result.Conflict {
			why = profile.IDConflict
		}
		in.metrics.windows.WithLabelValues(string(store.Duplicate), string(why)).Inc()
		in.tally.duplicate(w.Target.Namespace)
		in.Store.Record(store.Event{Outcome: store.Duplicate, Reason: why, Windows: 1, Bytes: bytes})
		return
	}
	accepted := store.Event{Outcome: store.Accepted, Windows: 1, Bytes: bytes}
	losses := profile.AddLosses(nil, w.Losses...)
	for _, c := range w.Coverage {
		accepted.Samples += c.Stored.Count
		losses = profile.AddLosses(losses, c.Losses...)
	}
	in.metrics.windows.WithLabelValues(string(store.Accepted), "").Inc()
	in.tally.accepted(w.Target.Namespace)
	in.Store.Record(accepted)
	for _, l := range losses {
		l.Value = 0 // ns of one type and bytes of another do not add up
		in.metrics.lostSamples.WithLabelValues(l.Outcome.String(), string(l.Reason)).Add(float64(l.Count))
		in.tally.lost(in.Now(), w.Target.Namespace, l)
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
