package push

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/spool"
)

// poisoned fails for one window, always, and takes the others.
type poisoned struct {
	bad      profile.WindowID
	status   int
	attempts int // for the bad one
	accepted int
}

func (p *poisoned) Window(_ context.Context, body []byte) (Receipt, error) {
	w, err := profile.Decode(body, profile.DefaultDecodeLimits())
	if err != nil {
		return Receipt{}, err
	}
	if w.ID == p.bad {
		p.attempts++
		return Receipt{}, &Error{Class: Unavailable, Reason: profile.BackendUnreached, Status: p.status}
	}
	p.accepted++
	return Receipt{}, nil
}

// A window that always fails holds up no other one, whatever the answer is, and
// is itself tried ever less often until it expires.
func TestOneWindowDoesNotHoldUpTheOthers(t *testing.T) {
	for _, status := range []int{http.StatusBadRequest, http.StatusInternalServerError, http.StatusBadGateway, http.StatusUnprocessableEntity} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSpool(t, 5)
				to := &poisoned{bad: window(0).ID, status: status}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				begin := time.Now()
				p := newPusher(s, to)
				done := make(chan struct{})
				go func() { p.Run(ctx); close(done) }()
				time.Sleep(5 * time.Second)
				synctest.Wait()
				if to.accepted != 4 {
					t.Errorf("%d of 4 other windows accepted after %s", to.accepted, time.Since(begin))
				}
				time.Sleep(4 * time.Minute)
				if err := s.Put(ctx, window(9)); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if to.accepted != 5 {
					t.Error("a window that comes later waits")
				}
				<-done
				if to.attempts < 5 || to.attempts > 20 {
					t.Errorf("%d attempts in 10 minutes", to.attempts)
				}
			})
		})
	}
}

// What says that it is busy, or nothing at all, is not the fault of a window: no
// other one is tried meanwhile.
func TestWhatStopsAllStopsAll(t *testing.T) {
	for _, failed := range []*Error{
		{Class: Unavailable, Reason: profile.BackendUnreached},
		{Class: Retryable, Reason: profile.Overloaded, Status: 429},
		{Class: Unavailable, Reason: profile.StoreUnavailable, Status: 503},
		{Class: Unavailable, Reason: profile.Forbidden, Status: 403},
	} {
		synctest.Test(t, func(t *testing.T) {
			to := &scripted{script: []error{failed}}
			newPusher(newSpool(t, 3), to).Drain(t.Context())
			if wait := to.attempts[1].Sub(to.attempts[0]); wait < 700*time.Millisecond {
				t.Errorf("%v: the next attempt came after %s", failed, wait)
			}
			for i := 1; i < len(to.accepted); i++ {
				if to.accepted[i].Start.Before(to.accepted[i-1].Start) {
					t.Errorf("%v: windows out of order", failed)
				}
			}
		})
	}
}

// The first report that gets through after an outage ends the wait.
func TestReportWakesThePusher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := &outage{until: time.Now().Add(10 * time.Minute)}
		s := newSpool(t, 3)
		p := newPusher(s, backend)
		r := &Reporter{To: backend, Source: func() profile.Report { return profile.Report{} }, Obey: func(profile.ReportAnswer) {}, Spool: s, Pusher: p, Interval: 15 * time.Second, Log: p.log}
		ctx, cancel := context.WithTimeout(t.Context(), 11*time.Minute)
		defer cancel()
		done := make(chan struct{}, 2)
		go func() { p.Run(ctx); done <- struct{}{} }()
		go func() { r.Run(ctx); done <- struct{}{} }()
		<-done
		<-done
		if took := backend.accepted.Sub(backend.until); backend.accepted.IsZero() || took > 16*time.Second {
			t.Errorf("the first window came %s after the outage", took)
		}
		if n := s.Stats().Windows; n != 0 {
			t.Errorf("%d windows wait", n)
		}
	})
}

type outage struct{ until, accepted time.Time }

func (o *outage) down() error {
	if time.Now().Before(o.until) {
		return &Error{Class: Unavailable, Reason: profile.BackendUnreached}
	}
	return nil
}

func (o *outage) Report(context.Context, *profile.Report) (profile.ReportAnswer, error) {
	return profile.ReportAnswer{}, o.down()
}

func (o *outage) Window(context.Context, []byte) (Receipt, error) {
	err := o.down()
	if err == nil && o.accepted.IsZero() {
		o.accepted = time.Now()
	}
	return Receipt{}, err
}

func TestAsideIsBounded(t *testing.T) {
	a := newAside(DefaultConfig())
	for n := range 3 * maxAside {
		a.put(spool.Entry{Name: fmt.Sprint(n)})
	}
	if len(a.windows) != maxAside {
		t.Errorf("%d windows are set aside, the limit is %d", len(a.windows), maxAside)
	}
}
