package push

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/spool"
)

// Uploader sends one encoded window; Client is one.
type Uploader interface {
	Window(ctx context.Context, body []byte) (Receipt, error)
}

// Pusher empties the spool into the backend.
type Pusher struct {
	spool   *spool.Spool
	to      Uploader
	config  Config
	log     *slog.Logger
	metrics *metrics

	wake chan struct{} // holds one token after Wake
	set  *aside        // windows that wait for a turn of their own

	mu        sync.Mutex
	lastError string
}

// NewPusher returns a Pusher that has not begun.
func NewPusher(s *spool.Spool, to Uploader, config Config, log *slog.Logger, reg prometheus.Registerer) *Pusher {
	return &Pusher{
		spool: s, to: to, config: config, log: log, metrics: newMetrics(reg),
		wake: make(chan struct{}, 1), set: newAside(config),
	}
}

// Wake ends a wait between two attempts: the backend has been seen to answer.
func (p *Pusher) Wake() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// LastError says what the last attempt failed with; empty after a success.
func (p *Pusher) LastError() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lastError
}

// Run uploads windows as they come until ctx ends.
func (p *Pusher) Run(ctx context.Context) {
	for {
		p.Drain(ctx)
		select {
		case <-ctx.Done():
			return
		case <-p.spool.Changed():
		}
	}
}

// Drain uploads until the spool is empty or ctx ends. After a failure all windows
// wait, ever longer, because what stops one mostly stops all. A window that may
// be the cause itself is set aside besides, so that it cannot hold up the others:
// when its turn comes, and there are no others, nothing else waits for it.
func (p *Pusher) Drain(ctx context.Context) {
	waits := newWaits(p.config)
	for ctx.Err() == nil {
		entry, ok := p.due()
		if !ok {
			if p.spool.Stats().Windows == 0 {
				return
			}
			p.pause(ctx, p.set.next(), p.spool.Changed()) // all that is left is set aside
			continue
		}
		body, err := p.spool.Body(entry)
		if err != nil {
			p.log.Error("window lost", "reason", profile.SpoolUnreadable, "error", err)
			continue
		}
		receipt, failed := p.send(ctx, body)
		if failed == nil {
			p.accept(entry, receipt)
		} else {
			p.settle(entry, failed)
		}
		_, others := p.due()
		switch {
		case failed == nil || failed.Class == Rejected:
			waits.Reset()
		case others || !failed.OfWindow():
			p.pause(ctx, max(waits.NextBackOff(), min(failed.RetryAfter, p.config.MaxWait)), nil)
		}
	}
}

// due is the next window to try: the oldest that is not set aside, else the oldest
// whose turn has come.
func (p *Pusher) due() (spool.Entry, bool) {
	if entry, ok := p.spool.Next(p.set.has); ok {
		return entry, true
	}
	return p.spool.Next(p.set.holds)
}

// pause waits, but not after somebody has woken the pusher or something came.
func (p *Pusher) pause(ctx context.Context, wait time.Duration, came <-chan struct{}) {
	select {
	case <-ctx.Done():
	case <-p.wake:
		p.set.release()
	case <-came:
	case <-time.After(wait):
	}
}

// send returns no error if the backend has the window.
func (p *Pusher) send(ctx context.Context, body []byte) (Receipt, *Error) {
	begin := time.Now()
	receipt, err := p.to.Window(ctx, body)
	p.metrics.seconds.Observe(time.Since(begin).Seconds())
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lastError = ""
	if err == nil {
		p.metrics.bytes.Add(float64(len(body)))
		return receipt, nil
	}
	p.lastError = err.Error()
	failed, ok := errors.AsType[*Error](err)
	if !ok {
		failed = &Error{Class: Unavailable, Reason: profile.BackendUnreached, Message: err.Error()}
	}
	return Receipt{}, failed
}

// accept takes an entry out of the spool that the backend has. Where the backend
// keeps another content under its id, what that content lacks is lost.
func (p *Pusher) accept(entry spool.Entry, receipt Receipt) {
	p.set.forget(entry)
	if receipt.Reason != profile.IDConflict {
		p.metrics.outcome("accepted", "")
		p.spool.Done(entry)
		return
	}
	p.log.Warn("window is stored with other content, which is kept", "reason", receipt.Reason, "window", entry.Name, "stored", receipt.Stored)
	p.metrics.outcome("accepted", receipt.Reason)
	p.spool.DoneAs(entry, receipt.Stored, receipt.Reason)
}

// settle does with the entry what the failure of its upload asks for.
func (p *Pusher) settle(entry spool.Entry, failed *Error) {
	switch {
	case failed.Class == Rejected:
		p.log.Error("window rejected", "reason", failed.Reason, "window", entry.Name, "error", failed)
		p.set.forget(entry)
		p.spool.Refuse(entry, failed.Reason)
	case failed.OfWindow():
		retry := p.set.put(entry)
		p.log.Warn("upload failed, window is set aside", "reason", failed.Reason, "class", failed.Class, "window", entry.Name, "retry_in", retry, "error", failed)
	default:
		p.log.Warn("upload failed, windows stay in the spool", "reason", failed.Reason, "class", failed.Class, "error", failed)
	}
	p.metrics.outcome(string(failed.Class), failed.Reason)
}
