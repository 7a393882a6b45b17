package store

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/backend/profile/profiletest"
)

// inQueue returns a committer that writes one window at a time, as write says, with
// windows of these namespaces in its queue, in this order.
func inQueue(t *testing.T, write func([]*pending), namespaces ...string) (*committer, []*pending) {
	t.Helper()
	limits := Limits{CommitRows: 1}.withDefaults()
	limits.CommitDelay, limits.Commits, limits.CommitQueue = time.Hour, 1, len(namespaces)
	c := newCommitter(limits, newMetrics(nil), write)
	var all []*pending
	for i, namespace := range namespaces {
		of := profiletest.Target("cart", fmt.Sprint("pod-", i))
		of.Namespace = namespace
		p, _, err := c.add(newBatch(profiletest.Window(profiletest.Options{Start: time.Unix(1_800_000_000, 0), Target: of, Stacks: 3})))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return c, all
}

// A namespace that sends all it can does not make another wait for all of it.
func TestNamespacesTakeTurns(t *testing.T) {
	begun, full := make(chan struct{}), make(chan struct{})
	var order []string
	write := func(group []*pending) {
		if len(order) == 0 {
			close(begun)
			<-full
		}
		for _, p := range group {
			order = append(order, p.window.Target.Namespace)
		}
		settle(group, make([]verdict, len(group)), nil)
	}
	c, _ := inQueue(t, write, slices.Concat(slices.Repeat([]string{"busy"}, 20), []string{"other", "other"})...)
	<-begun
	close(full)
	c.close()
	first, second := slices.Index(order, "other"), len(order)-1-slices.Index(reversed(order), "other")
	if len(order) != 22 || first > 2 || second > 4 {
		t.Errorf("the order is %v", order)
	}
	if c.rows != 0 || c.bytes != 0 || len(c.queue) != 0 || len(c.windows) != 0 {
		t.Errorf("in the end %d rows, %d bytes, %d and %d windows", c.rows, c.bytes, len(c.queue), len(c.windows))
	}
}

func reversed(list []string) []string {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}

// A window that had no turn says whether ClickHouse takes too few or none.
func TestWhyAWindowHadNoTurn(t *testing.T) {
	for _, c := range []struct {
		stored bool
		class  Class
		reason profile.Reason
	}{{true, Busy, profile.StoreQueueFull}, {false, Unavailable, profile.StoreUnavailable}} {
		hold := make(chan struct{})
		committer, _ := inQueue(t, func(group []*pending) {
			<-hold
			settle(group, make([]verdict, len(group)), nil)
		}, "a", "b")
		began := time.Now()
		if c.stored {
			committer.mu.Lock()
			committer.stored = began.Add(time.Nanosecond)
			committer.mu.Unlock()
		}
		of := profiletest.Target("cart", "late")
		errs := []error{committer.whyQueued(began)}
		for range 2 { // until the queue is full, whether or not the first is being written
			w := profiletest.Window(profiletest.Options{Start: time.Unix(1_800_000_000, 0), Target: of, Stacks: 3})
			if _, _, err := committer.add(newBatch(w)); err != nil {
				errs = append(errs, err)
			}
			of.Pod, of.PodUID = "later", "later"
		}
		if len(errs) < 2 {
			t.Error("the queue is never full")
		}
		for _, err := range errs {
			e, ok := errors.AsType[*Error](classify("store", writing, err))
			if !ok || e.Class != c.class || e.Reason() != c.reason || !e.Retryable() || e.RetryAfter == 0 {
				t.Errorf("%v is %+v, want %v", err, e, c.class)
			}
		}
		close(hold)
		committer.close()
	}
}
