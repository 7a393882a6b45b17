package push

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/spool"
)

// Uploader sends one encoded window; Client is one.
type Uploader interface {
	Window(ctx context.Context, body []byte) error
}

// Pusher empties the spool into the backend.
type Pusher struct {
	spool   *spool.Spool
	to      Uploader
	config  Config
	log     *slog.Logger
	metrics *metrics

	mu        sync.Mutex
	lastError string
}

// NewPusher returns a Pusher that has not begun.
func NewPusher(s *spool.Spool, to Uploader, config Config, log *slog.Logger, reg prometheus.Registerer) *Pusher {
	return &Pusher{spool: s, to: to, config: config, log: log, metrics: newMetrics(reg)}
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

// Drain uploads until the spool is empty or ctx ends. A failed window is tried
// again after a growing wait; the windows behind it wait too, because what
// stops one stops all.
func (p *Pusher) Drain(ctx context.Context) {
	waits := p.waits()
	for ctx.Err() == nil {
		entry, ok := p.spool.Oldest()
		if !ok {
			return
		}
		body, err := p.spool.Body(entry)
		if err != nil {
			p.log.Error("window lost", "reason", profile.SpoolUnreadable, "error", err)
			continue
		}
		wait, again := p.settle(entry, p.send(ctx, body), waits)
		if !again {
			waits.Reset()
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

func (p *Pusher) waits() *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(p.config.MinWait),
		backoff.WithMaxInterval(p.config.MaxWait),
		backoff.WithMaxElapsedTime(0), // the spool's age limits how long a window is tried
		backoff.WithRandomizationFactor(0.3),
	)
}

func (p *Pusher) send(ctx context.Context, body []byte) error {
	begin := time.Now()
	err := p.to.Window(ctx, body)
	p.metrics.seconds.Observe(time.Since(begin).Seconds())
	if err == nil {
		p.metrics.bytes.Add(float64(len(body)))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lastError = ""
	if err != nil {
		p.lastError = err.Error()
	}
	return err
}

// settle does with the entry what the outcome of its upload asks for, and says
// whether and when to go on with the same entry.
func (p *Pusher) settle(entry spool.Entry, err error, waits *backoff.ExponentialBackOff) (wait time.Duration, again bool) {
	if err == nil {
		p.metrics.outcome("accepted", "")
		p.spool.Done(entry)
		return 0, false
	}
	var failed *Error
	if !errors.As(err, &failed) {
		failed = &Error{Class: Unavailable, Reason: profile.BackendUnreached, Message: err.Error()}
	}
	p.metrics.outcome(string(failed.Class), failed.Reason)
	if failed.Class == Rejected {
		p.log.Error("window rejected", "reason", failed.Reason, "window", entry.Name, "error", failed)
		p.spool.Refuse(entry, failed.Reason)
		return 0, false
	}
	wait = max(waits.NextBackOff(), min(failed.RetryAfter, p.config.MaxWait))
	p.log.Warn("upload failed, window stays in the spool", "reason", failed.Reason, "class", failed.Class, "retry_in", wait, "error", failed)
	return wait, true
}
