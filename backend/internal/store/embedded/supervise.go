package embedded

import (
	"context"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// healthyAfter is how long a server must have run for the next restart to be
// immediate again.
const healthyAfter = 30 * time.Second

// supervise starts the server again whenever it ends, until ctx ends.
func (s *Server) supervise(ctx context.Context, running *child) {
	defer close(s.stopped)
	defer func() { _ = s.lock.Close() }()
	pause := restartPauses()
	for {
		how := s.watch(ctx, running)
		s.child.Store(nil)
		if ctx.Err() != nil {
			running.stop(s.cfg.StopTimeout)
			return
		}
		s.ends.Store(&Ends{Count: s.Ends().Count + 1, Last: time.Now(), How: how})
		s.cfg.Log.Error("embedded ClickHouse ended and is started again",
			"how", how, "last_output", running.output.tail(), "ran", time.Since(running.started).Round(time.Millisecond))
		if time.Since(running.started) > healthyAfter {
			pause.Reset()
		}
		if running = s.restart(ctx, pause); running == nil {
			return
		}
		s.child.Store(running)
	}
}

// restart tries until it succeeds; it returns nil if ctx ends before.
func (s *Server) restart(ctx context.Context, pause backoff.BackOff) *child {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause.NextBackOff()):
		}
		c, err := s.startChild(ctx)
		if err == nil {
			return c
		}
		if ctx.Err() == nil {
			s.cfg.Log.Error("embedded ClickHouse did not start and is tried again", "error", err)
		}
	}
}

// watch returns when the server has ended, and says how, or when ctx has. A
// server that does not answer for Config.HangTimeout is killed.
func (s *Server) watch(ctx context.Context, c *child) (how string) {
	tick := time.NewTicker(max(s.cfg.HangTimeout/12, 50*time.Millisecond))
	defer tick.Stop()
	answered := time.Now()
	for {
		select {
		case <-ctx.Done():
			return ""
		case <-c.done:
			return c.exit()
		case <-tick.C:
		}
		if c.ping(ctx) == nil {
			answered = time.Now()
			continue
		}
		if silent := time.Since(answered); silent > s.cfg.HangTimeout {
			c.kill()
			<-c.done
			return fmt.Sprintf("killed, as it did not answer for %s", silent.Round(time.Second))
		}
	}
}

func restartPauses() *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(100*time.Millisecond),
		backoff.WithMaxInterval(10*time.Second),
		backoff.WithMaxElapsedTime(0),
	)
}
