package store_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/internal/quota"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/storetest"
	"github.com/podflame/podflame/backend/profile"
)

// Reads of several services, each of which grows its call tree beyond what needs no turn,
// wait for each other and are answered whole.
func TestReadsShareTheirMemory(t *testing.T) {
	const services, stacks = 4, 1000
	s := storetest.Open(t, func(c *store.Config) { c.Limits.CacheBytes, c.Limits.Loads = 1<<20, 1 }) // one of them takes a third
	var selections []store.Selection
	for i := range services {
		m := newMaker(fmt.Sprint("service-", i), 0)
		w := m.window(today())
		b := profile.NewBuilder(profile.CPU, profile.Limits{})
		for n := range stacks {
			b.Add([]uint32{b.Function("main", profile.Java), b.Function(fmt.Sprint("f", n), profile.Java)}, profile.Amount{Value: 1, Count: 1})
		}
		set, coverage := b.Build()
		w.Sets, w.Coverage = []profile.StackSet{set}, []profile.Coverage{coverage}
		insert(t, s, w)
		selections = append(selections, selection(fmt.Sprint("service-", i), profile.CPU, today(), time.Minute))
	}
	memory := quota.NewMemory(16<<20, time.Minute)
	ask := func(sel store.Selection) (*store.Sums, error) {
		ctx, share := memory.Begin(t.Context())
		defer share.End()
		return s.Sums(ctx, sel)
	}
	var asked sync.WaitGroup
	for _, sel := range selections {
		for range 2 {
			asked.Go(func() {
				sums, err := ask(sel)
				if err != nil {
					t.Errorf("%s: %v", sel.Service, err)
					return
				}
				if side := sums.Sides[0]; sums.Tree.Totals()[0].Count != stacks || side.Omitted.Count != 0 || side.Cut.Count != 0 {
					t.Errorf("%s has %+v, of it %+v omitted and %+v cut", sel.Service, sums.Tree.Totals()[0], side.Omitted, side.Cut)
				}
			})
		}
	}
	asked.Wait()
	if n := memory.InUse(); n != 0 {
		t.Errorf("%d bytes are still in use", n)
	}
}

// Who waits for memory in vain is told to come again; nothing is held by that.
func TestReadWithoutMemory(t *testing.T) {
	s := storetest.Open(t)
	insert(t, s, newMaker("cart", 0).window(today()))
	sel := selection("cart", profile.CPU, today(), time.Minute)
	memory := quota.NewMemory(1<<20, time.Millisecond)
	_, heavy := memory.Begin(t.Context())
	var light []*quota.Share
	for err := heavy.Take(t.Context(), 1<<20, 0); err == nil; {
		_, one := memory.Begin(t.Context())
		err = one.Take(t.Context(), 1<<17, 0)
		light = append(light, one)
	}
	ctx, share := memory.Begin(t.Context())
	defer share.End()
	_, err := s.Sums(ctx, sel)
	wantClass(t, "no memory", err, store.Overloaded, "memory for answers")
	if !store.IsRetryable(err) {
		t.Error("it is not told to come again")
	}
	heavy.Free()
	for _, one := range light {
		one.Free()
	}
	ctx, share = memory.Begin(context.WithoutCancel(t.Context()))
	defer share.End()
	if _, err := s.Sums(ctx, sel); err != nil {
		t.Errorf("once there is memory: %v", err)
	}
}
