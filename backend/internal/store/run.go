package store

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

// Run rolls up closed hours, sums up activity, writes recorded events, removes what failed inserts
// left behind and keeps room on the disk, until ctx ends. Each goes on while another takes long.
func (s *Store) Run(ctx context.Context) error {
	var g errgroup.Group
	g.Go(func() error {
		var searched time.Time
		s.rollupLogged(ctx, &searched)
		every(ctx, s.every, func() { s.rollupLogged(ctx, &searched) })
		return nil
	})
	g.Go(func() error {
		s.sumActivityLogged(ctx)
		every(ctx, s.every, func() { s.sumActivityLogged(ctx) })
		return nil
	})
	g.Go(func() error {
		every(ctx, flushEvery, func() { s.flushLogged(ctx) })
		s.flushLogged(context.WithoutCancel(ctx))
		return nil
	})
	g.Go(func() error {
		s.makeRoomLogged(ctx)
		every(ctx, roomEvery, func() { s.makeRoomLogged(ctx) })
		return nil
	})
	g.Go(func() error {
		every(ctx, sweepEvery, func() { s.sweepLogged(ctx) })
		return nil
	})
	return g.Wait()
}

// every calls a function at each tick until ctx ends.
func every(ctx context.Context, tick time.Duration, call func()) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			call()
		}
	}
}
