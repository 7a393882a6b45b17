package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

// committer gathers windows that arrive together into groups, each of which is
// written as few large blocks. A group is written when it is full, when it is
// worth a block and nobody who was announced is still to come, or
// Limits.CommitDelay after the last one; at most Limits.Commits groups are
// written at a time. Heavy windows have groups of their own, and leave one of those to
// the light ones, so that who sends these does not wait for what the others take.
type committer struct {
	limits  Limits
	metrics *metrics
	write   func(group []*pending) // settles all of them

	mu        sync.Mutex
	announced int // uploads that were not answered yet
	callers   int // that wait for their windows
	queue     []*pending
	light     load                    // in the queue
	heavy     load                    // in the queue
	windows   map[windowName]*pending // in the queue or being written
	writers   int                     // goroutines
	idle      int                     // of them, that wait for a group
	hauling   int                     // of them, that write a heavy group
	next      time.Time               // when a group is due that is not full
	stored    time.Time               // when ClickHouse last took a group
	turns     turns
	full      chan struct{} // receives when a group may have become due
	closed    chan struct{} // once there is nothing more to wait for
	ended     sync.WaitGroup
}

// pending is a window on its way into ClickHouse.
type pending struct {
	*batch
	done   chan struct{} // closed once it is settled
	result Result
	err    error
	turn   uint64
	heavy  bool // among those that are written without light ones
	begun  bool // being written
}

// load is what windows add up to.
type load struct{ windows, rows, bytes int }

func (l *load) add(p *pending, sign int) {
	l.windows, l.rows, l.bytes = l.windows+sign, l.rows+sign*len(p.stackIDs), l.bytes+sign*p.bytes
}

// heavyPart of a full group is where heavy windows begin. Only new stacks count: what
// honest services send has few of them, but after a start.
const heavyPart = 16

func (c *committer) loadOf(p *pending) *load {
	if p.heavy {
		return &c.heavy
	}
	return &c.light
}

// mayHaul says whether one more heavy group may be written.
func (c *committer) mayHaul() bool { return c.hauling < max(c.limits.Commits-1, 1) }

func (p *pending) settle(result Result, err error) {
	p.result, p.err = result, err
	close(p.done)
}

func newCommitter(limits Limits, m *metrics, write func([]*pending)) *committer {
	return &committer{
		limits: limits, metrics: m, write: write,
		windows: map[windowName]*pending{}, full: make(chan struct{}, 1), closed: make(chan struct{}),
	}
}

// errQueue and errQueued say that ClickHouse was not even asked: as other windows
// had their turn, or as it takes none.
var (
	errQueue  = errors.New("ClickHouse takes windows, but fewer than come")
	errQueued = errors.New("the window was still in the queue")
)

// whyQueued is the cause of having no turn since some time.
func (c *committer) whyQueued(since time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stored.After(since) {
		return errQueue
	}
	return errQueued
}

// add puts a window into the queue. If the same window is on its way already,
// that one is returned, and first is false.
func (c *committer) add(b *batch) (p *pending, first bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if other, ok := c.windows[b.name()]; ok {
		return other, false, nil
	}
	select {
	case <-c.closed:
		return nil, false, fmt.Errorf("%w: the store is closed", errNoConnection)
	default:
	}
	if len(c.queue) >= c.limits.CommitQueue {
		why := errQueued
		if time.Since(c.stored) < c.limits.InsertTimeout {
			why = errQueue
		}
		return nil, false, fmt.Errorf("%w: %d windows wait", why, len(c.queue))
	}
	p = &pending{batch: b, done: make(chan struct{}), turn: c.turns.next(b), heavy: b.bytes > c.limits.CommitBytes/heavyPart}
	c.queue, c.windows[b.name()] = append(c.queue, p), p
	c.loadOf(p).add(p, 1)
	c.metrics.queued.Set(float64(len(c.queue)))
	if c.idle == 0 && c.writers < c.limits.Commits {
		c.begin()
	} else {
		c.hurry()
	}
	return p, true, nil
}

func (c *committer) begin() {
	c.writers, c.idle = c.writers+1, c.idle+1
	c.ended.Add(1)
	go c.run()
}

// hurry sees to it that a group that is due is written now.
func (c *committer) hurry() {
	switch {
	case !c.isDue():
	case c.writers < c.limits.Commits:
		c.begin()
	default:
		signal(c.full)
	}
}

// announce says that an upload may come; answered, that it was answered.
func (c *committer) announce() (answered func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.announced++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.announced--
		c.hurry()
	}
}

// wait enters or removes a caller who waits for a window.
func (c *committer) wait(callers int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.callers += callers
	c.hurry()
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// worthOf a full group is one that need not wait for more if nobody comes.
const worthOf = 4

// isDue says whether there is a group that need not wait.
func (c *committer) isDue() bool {
	return c.isWritable(c.light) || c.mayHaul() && c.isWritable(c.heavy)
}

func (c *committer) isWritable(l load) bool {
	fills := func(part int) bool {
		return l.rows >= c.limits.CommitRows/part || l.bytes >= c.limits.CommitBytes/part
	}
	return l.windows > 0 && (fills(1) || fills(worthOf) && c.announced > 0 && c.announced <= c.callers)
}

// late is the error of a window that was not settled in time.
func (c *committer) late(p *pending, first bool, began time.Time) error {
	late := fmt.Errorf("no answer within %s: %w", time.Since(began).Round(100*time.Millisecond), context.DeadlineExceeded)
	queued := fmt.Errorf("%w: %w", c.whyQueued(began), late)
	if first && c.withdraw(p, queued) {
		return queued
	}
	return late
}

// withdraw takes a window that nobody waits for any longer out of the queue. It
// is false if the window is being written.
func (c *committer) withdraw(p *pending, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.begun {
		return false
	}
	for i, other := range c.queue {
		if other == p {
			c.remove(i)
			delete(c.windows, p.name())
			p.settle(Result{}, err)
			break
		}
	}
	return true
}

func (c *committer) remove(i int) {
	p := c.queue[i]
	c.queue = slices.Delete(c.queue, i, i+1)
	c.loadOf(p).add(p, -1)
	c.metrics.queued.Set(float64(len(c.queue)))
}

// run writes groups until there is none that it may write.
func (c *committer) run() {
	defer c.ended.Done()
	for {
		c.await()
		group := c.take()
		if group == nil {
			return
		}
		c.metrics.groups.Observe(float64(len(group)))
		c.write(group)
		c.forget(group)
	}
}

// await returns when a group is due.
func (c *committer) await() {
	for {
		c.mu.Lock()
		wait := time.Until(c.next)
		if c.isDue() || len(c.queue) == 0 {
			wait = 0
		}
		c.mu.Unlock()
		if wait <= 0 {
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-c.full:
		case <-c.closed:
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// take returns the next group; nil if there is none, and then the caller is no
// writer any more. Windows of the same slot go into different groups, see
// commitIDs.
func (c *committer) take() (group []*pending) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var taken load
	slots := map[slot]bool{}
	slices.SortStableFunc(c.queue, func(a, b *pending) int { return cmp.Compare(a.turn, b.turn) })
	for _, p := range c.queue {
		if len(group) > 0 && p.heavy != group[0].heavy || p.heavy && !c.mayHaul() || slots[p.slot()] {
			continue
		}
		if len(group) > 0 && (taken.rows+len(p.stackIDs) > c.limits.CommitRows || taken.bytes+p.bytes > c.limits.CommitBytes) {
			break
		}
		slots[p.slot()] = true
		taken.add(p, 1)
		c.loadOf(p).add(p, -1)
		p.begun = true
		c.turns.begun(p.turn)
		group = append(group, p)
	}
	c.idle--
	if group == nil {
		c.writers--
		return nil
	}
	if group[0].heavy {
		c.hauling++
	}
	c.queue = slices.DeleteFunc(c.queue, func(p *pending) bool { return p.begun })
	c.metrics.queued.Set(float64(len(c.queue)))
	c.next = time.Now().Add(c.limits.CommitDelay)
	return group
}

func (c *committer) forget(group []*pending) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range group {
		delete(c.windows, p.name())
		if p.err == nil {
			c.stored = time.Now()
		}
	}
	if group[0].heavy {
		c.hauling--
	}
	c.idle++
}

// close writes what is in the queue without delay, and takes no more.
func (c *committer) close() {
	c.mu.Lock()
	select {
	case <-c.closed:
	default:
		close(c.closed)
	}
	c.mu.Unlock()
	c.ended.Wait()
}

// Insert stores a window together with others that arrive at the same time. When
// it returns nil, ClickHouse has the window exactly once. Any error is an *Error.
// A caller that leaves does not keep the window from being stored, and one who has
// a deadline hears by then. The window must not be changed until
// Limits.InsertTimeout after the call has returned an error.
func (s *Store) Insert(ctx context.Context, w *profile.Window) (Result, error) {
	began := time.Now()
	result, err := s.commit(ctx, w)
	err = classify("store window "+w.ID.String(), writing, err)
	s.writes.note(err, time.Now())
	if err != nil {
		s.metrics.failed(err)
		return Result{}, err
	}
	switch {
	case result.Conflict:
		s.metrics.conflicts.Inc()
	case result.Duplicate:
		s.metrics.duplicates.Inc()
	default:
		took := time.Since(began)
		s.metrics.inserted(result.Rows, took)
		s.latency.note(took)
	}
	return result, nil
}

// Announce says that Insert may be called soon, and answered that what was announced
// is over: Insert has returned, or is not called. While all that were announced wait
// in Insert, nothing more needs to be waited for.
func (s *Store) Announce() (answered func()) { return s.commits.announce() }

func (s *Store) commit(ctx context.Context, w *profile.Window) (Result, error) {
	op := "store window " + w.ID.String()
	if err := checkWindow(w); err != nil {
		return Result{}, &Error{Class: Refused, Op: op, Err: err}
	}
	if err := ctx.Err(); err != nil {
		return Result{}, fmt.Errorf("%w: %w", errNoConnection, err)
	}
	b := newBatch(w)
	b.note(s.written)
	p, first, err := s.commits.add(b)
	if err != nil {
		return Result{}, err
	}
	s.commits.wait(1)
	defer s.commits.wait(-1)
	began, patience := time.Now(), s.limits.InsertTimeout
	if at, ok := ctx.Deadline(); ok {
		patience = min(patience, time.Until(at))
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return Result{}, s.commits.late(p, first, began)
		}
		return Result{}, context.Cause(ctx)
	case <-timer.C:
		return Result{}, s.commits.late(p, first, began)
	}
	if first {
		return p.result, p.err
	}
	return p.repeated(b)
}

// repeated is the result of a window that arrived while p, of the same name, was
// on its way.
func (p *pending) repeated(b *batch) (Result, error) {
	same := p.key() == b.key() && p.content == b.content
	switch {
	case p.err != nil && same:
		return Result{}, p.err
	case p.err != nil:
		return Result{}, fmt.Errorf("%w: another window of the same id was not stored: %w", errNoConnection, p.err)
	case p.key() != b.key():
		return Result{}, errTaken(b)
	}
	return Result{Duplicate: true, Conflict: p.result.Conflict || !same, Stored: p.result.Stored}, nil
}
