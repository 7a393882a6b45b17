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
	limits := DefaultLimits()
	limits.CommitRows, limits.CommitDelay, limits.Commits, limits.CommitQueue = 1, time.Hour, 1, len(namespaces)
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
	if c.light != (load{}) || c.heavy != (load{}) || len(c.queue) != 0 || len(c.windows) != 0 {
		t.Errorf("in the end %+v, %+v, %d and %d windows", c.light, c.heavy, len(c.queue), len(c.windows))
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

// Heavy windows are written by themselves, and leave the light ones a group: these wait
// neither for the time that the heavy ones take, nor until all of them are written.
func TestLightWindowsDoNotWaitForHeavyOnes(t *testing.T) {
	limits := DefaultLimits()
	limits.CommitDelay = 0
	hold := make(chan struct{})
	c := newCommitter(limits, newMetrics(nil), func(group []*pending) {
		for _, p := range group {
			if p.heavy != group[0].heavy {
				t.Error("a group has heavy and light windows")
			}
		}
		if group[0].heavy {
			<-hold
		}
		settle(group, make([]verdict, len(group)), nil)
	})
	add := func(pod, bytes int) *pending {
		of := profiletest.Target("cart", fmt.Sprint("pod-", pod))
		of.Namespace = fmt.Sprint("namespace-", pod) // the turns are not what is tested
		b := newBatch(profiletest.Window(profiletest.Options{Start: time.Unix(1_800_000_000, 0), Target: of, Stacks: 3}))
		b.bytes = bytes
		p, _, err := c.add(b)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	most := limits.CommitBytes / heavyPart
	heavy := []*pending{add(0, most+1), add(1, limits.CommitBytes), add(2, limits.CommitBytes)}
	for pod := range 5 {
		<-add(10+pod, most).done // else the test ends by its time
	}
	c.mu.Lock()
	if c.hauling != 1 || c.heavy.windows != len(heavy)-1 || c.light != (load{}) {
		t.Errorf("%d heavy groups are being written, %d heavy windows wait; light: %+v", c.hauling, c.heavy.windows, c.light)
	}
	c.mu.Unlock()
	close(hold)
	for _, p := range heavy {
		<-p.done
	}
	c.close()
	if c.heavy != (load{}) || c.hauling != 0 || c.idle != 0 || c.writers != 0 || len(c.windows) != 0 {
		t.Errorf("in the end %+v, %d writers, %d wait, %d haul, %d windows", c.heavy, c.writers, c.idle, c.hauling, len(c.windows))
	}
}

// A group is full by its rows or by the bytes of its new stacks, whichever comes first.
func TestGroupIsFullByRowsOrBytes(t *testing.T) {
	b := newBatch(profiletest.Window(profiletest.Options{Start: time.Unix(1_800_000_000, 0), Target: profiletest.Target("cart", "pod"), Stacks: 3}))
	b.bytes = 1000
	for _, c := range []struct {
		rows, bytes int
		full        bool
	}{{len(b.stackIDs) + 1, 1001, false}, {len(b.stackIDs), 1001, true}, {len(b.stackIDs) + 1, 1000, true}} {
		limits := DefaultLimits()
		limits.CommitRows, limits.CommitBytes = c.rows, c.bytes
		committer := newCommitter(limits, newMetrics(nil), nil)
		committer.writers = limits.Commits // nobody takes it
		if _, _, err := committer.add(b); err != nil {
			t.Fatal(err)
		}
		if committer.isDue() != c.full {
			t.Errorf("with %d rows of %d and %d bytes of %d: due %t", len(b.stackIDs), c.rows, b.bytes, c.bytes, committer.isDue())
		}
	}
}

// A group that is worth a block goes when all who were announced have come, and not
// before; one who was announced and does not come holds it up no longer.
func TestGroupGoesWhenAllHaveCome(t *testing.T) {
	groups := make(chan int, 1)
	window := func(pod int) *batch {
		of := profiletest.Target("cart", fmt.Sprint("pod-", pod))
		return newBatch(profiletest.Window(profiletest.Options{Start: time.Unix(1_800_000_000, 0), Target: of, Stacks: 3}))
	}
	rows := len(window(0).stackIDs)
	limits := DefaultLimits()
	limits.CommitRows, limits.CommitDelay = worthOf*rows, time.Hour
	c := newCommitter(limits, newMetrics(nil), func(group []*pending) {
		groups <- len(group)
		settle(group, make([]verdict, len(group)), nil)
	})
	come := func(pod int) (leave func()) {
		answered := c.announce()
		if _, _, err := c.add(window(pod)); err != nil {
			t.Fatal(err)
		}
		c.wait(1)
		return func() { c.wait(-1); answered() }
	}
	due := func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.isDue()
	}
	first := come(0)
	if n := <-groups; n != 1 {
		t.Fatalf("%d windows in the first group, which waits for nothing", n)
	}
	first()
	late, never := c.announce(), c.announce()
	answered := come(1)
	if due() {
		t.Error("due while two are to come")
	}
	never()
	if due() {
		t.Error("due while one is to come")
	}
	if _, _, err := c.add(window(2)); err != nil {
		t.Fatal(err)
	}
	c.wait(1)
	if n := <-groups; n != 2 {
		t.Errorf("%d windows in the group, want both", n)
	}
	c.wait(-1)
	late()
	answered()
	c.close()
	if c.announced != 0 || c.callers != 0 || c.writers != 0 {
		t.Errorf("in the end %d announced, %d callers, %d writers", c.announced, c.callers, c.writers)
	}
}
