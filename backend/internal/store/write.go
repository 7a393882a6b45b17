package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/podflame/podflame/backend/profile"
)

// writeGroup stores windows and settles each of them. If ClickHouse takes
// exception to the group, its windows are written one by one, so that one of them
// does not keep the others out.
func (s *Store) writeGroup(group []*pending) {
	results, err := s.attempt(group)
	if len(group) > 1 && byContent(err) {
		for _, p := range group {
			s.metrics.isolated.Inc()
			results, err := s.attempt([]*pending{p})
			settle([]*pending{p}, results, err)
		}
		return
	}
	settle(group, results, err)
}

func settle(group []*pending, results []verdict, err error) {
	for i, p := range group {
		if err != nil {
			p.settle(Result{}, err)
		} else {
			p.settle(results[i].Result, results[i].err)
		}
	}
}

// verdict is what became of one window of a group.
type verdict struct {
	Result
	err     error
	settled bool // by what was found, without being written
}

// byContent reports whether an error is about what was sent, and not about the
// state of ClickHouse.
func byContent(err error) bool {
	e, ok := errors.AsType[*Error](classify("", writing, err))
	switch {
	case !ok:
		return false
	case e.Class == Refused:
		return true
	case e.Code == queryMemory:
		return !isTotal(e)
	}
	return e.Code != 0 && !slices.Contains(aboutServer(), e.Code) && !isReadOnlyDisk(e)
}

// attempt writes a group within Limits.InsertTimeout. Whatever it was doing when
// it failed may still happen, so its commit id is not used again.
func (s *Store) attempt(group []*pending) ([]verdict, error) {
	results := make(chan []verdict, 1) // not shared with an attempt that was given up
	err := s.bounded(context.Background(), s.limits.InsertTimeout, func(ctx context.Context) error {
		all, err := s.write(ctx, group)
		if err == nil {
			results <- all
		}
		return err
	})
	if err != nil {
		s.ids.abandon()
		return nil, err
	}
	return <-results, nil
}

// write writes functions and stacks, then samples, then the headers, which say
// that the windows are there.
func (s *Store) write(ctx context.Context, group []*pending) ([]verdict, error) {
	var known []verdict
	prepare, ctx1 := errgroup.WithContext(ctx)
	prepare.Go(func() (err error) {
		known, err = s.lookUp(ctx1, group)
		return err
	})
	prepare.Go(func() error { return s.insertStacks(ctx1, group) })
	if err := prepare.Wait(); err != nil {
		return nil, err
	}
	var missing []*batch
	var slots []slot
	for i, p := range group {
		if !known[i].settled {
			missing, slots = append(missing, p.batch), append(slots, p.slot())
			known[i].Result = Result{Rows: len(p.stackIDs), NewStacks: len(p.fresh), Stored: storedOf(p.window)}
		}
	}
	if len(missing) == 0 {
		return known, nil
	}
	id := s.ids.take(slots)
	if err := s.insertSamples(ctx, missing, id); err != nil {
		return nil, fmt.Errorf("write samples: %w", err)
	}
	if err := s.insertHeaders(ctx, missing, id); err != nil {
		return nil, fmt.Errorf("write headers: %w", err)
	}
	return known, nil
}

func storedOf(w *profile.Window) map[profile.Type]profile.Amount {
	stored := map[profile.Type]profile.Amount{}
	for i := range w.Coverage {
		stored[w.Coverage[i].Type] = w.Coverage[i].Stored
	}
	return stored
}

// insertStacks writes the functions and stacks that were not written today.
func (s *Store) insertStacks(ctx context.Context, group []*pending) error {
	functions, stacks := newFunctionRows(s), newStackRows(s)
	for _, p := range group {
		p.noteAgain(s.written)
		for set, used := range p.freshFunctions() {
			for _, f := range used {
				if err := functions.add(ctx, p.day, p.ids[set][f], p.sets[set].Functions[f]); err != nil {
					return err
				}
			}
		}
	}
	// A stack is there with all of its functions, or not at all.
	if err := functions.flush(ctx); err != nil {
		return err
	}
	for _, p := range group {
		for stack := range p.freshStacks() {
			if err := stacks.add(ctx, p.batch, p.stackIDs[stack.index], p.ids[stack.set], stack.frames); err != nil {
				return err
			}
		}
	}
	return stacks.flush(ctx)
}

// functionRows are rows of the table functions, sent in bounded blocks.
type functionRows struct {
	store *Store
	seen  map[uint64]struct{}
	days  []time.Time
	ids   []uint64
	kinds []uint8
	names []string
	bytes int
}

func newFunctionRows(s *Store) *functionRows {
	return &functionRows{store: s, seen: map[uint64]struct{}{}}
}

func (r *functionRows) add(ctx context.Context, day time.Time, id uint64, f profile.Function) error {
	key := mix(r.store.written.scope(day, ""), id)
	if _, ok := r.seen[key]; ok {
		return nil
	}
	r.seen[key] = struct{}{}
	if len(r.store.written.missing(r.store.written.scope(day, ""), []uint64{id})) == 0 {
		return nil
	}
	r.days, r.ids, r.kinds, r.names = append(r.days, day), append(r.ids, id), append(r.kinds, uint8(f.Kind)), append(r.names, f.Name)
	if r.bytes += len(f.Name); r.bytes < r.store.limits.BlockBytes {
		return nil
	}
	return r.flush(ctx)
}

func (r *functionRows) flush(ctx context.Context) error {
	if len(r.ids) == 0 {
		return nil
	}
	err := r.store.send(ctx, "INSERT INTO @.functions (day, func_id, kind, name)", nil, r.days, r.ids, r.kinds, r.names)
	if err != nil {
		return fmt.Errorf("write functions: %w", err)
	}
	for i, id := range r.ids {
		r.store.written.add(r.store.written.scope(r.days[i], ""), []uint64{id})
	}
	r.days, r.ids, r.kinds, r.names, r.bytes = nil, nil, nil, nil, 0
	return nil
}

// stackRows are rows of the table stacks, sent in bounded blocks.
type stackRows struct {
	store    *Store
	seen     map[uint64]struct{}
	services []string
	days     []time.Time
	ids      []uint64
	scopes   []uint64
	frames   []string
	bytes    int
}

func newStackRows(s *Store) *stackRows { return &stackRows{store: s, seen: map[uint64]struct{}{}} }

func (r *stackRows) add(ctx context.Context, b *batch, id uint64, functions []uint64, frames []uint32) error {
	of := r.store.written.scope(b.day, "service "+b.window.Target.Service)
	if _, ok := r.seen[mix(of, id)]; ok {
		return nil
	}
	r.seen[mix(of, id)] = struct{}{}
	packed := make([]byte, 0, 8*len(frames))
	for _, f := range frames {
		packed = binary.LittleEndian.AppendUint64(packed, functions[f])
	}
	r.services, r.days, r.ids = append(r.services, b.window.Target.Service), append(r.days, b.day), append(r.ids, id)
	r.scopes, r.frames = append(r.scopes, of), append(r.frames, string(packed))
	if r.bytes += len(packed); r.bytes < r.store.limits.BlockBytes {
		return nil
	}
	return r.flush(ctx)
}

func (r *stackRows) flush(ctx context.Context) error {
	if len(r.ids) == 0 {
		return nil
	}
	err := r.store.send(ctx, "INSERT INTO @.stacks (service, day, stack_id, frames)", nil, r.services, r.days, r.ids, r.frames)
	if err != nil {
		return fmt.Errorf("write stacks: %w", err)
	}
	for i, id := range r.ids {
		r.store.written.add(r.scopes[i], []uint64{id})
	}
	r.services, r.days, r.ids, r.scopes, r.frames, r.bytes = nil, nil, nil, nil, nil, 0
	return nil
}

// insertSamples writes the samples of windows in bounded blocks.
func (s *Store) insertSamples(ctx context.Context, windows []*batch, id uint64) error {
	left := 0
	for _, b := range windows {
		left += len(b.stackIDs)
	}
	rows := newSampleRows(min(left, s.limits.CommitRows))
	for _, b := range windows {
		for from := 0; from < len(b.stackIDs); {
			to := min(len(b.stackIDs), from+s.limits.CommitRows-len(rows.stacks))
			rows.add(b, from, to)
			left, from = left-(to-from), to
			if len(rows.stacks) >= s.limits.CommitRows {
				if err := s.sendSamples(ctx, &rows, id); err != nil {
					return err
				}
				rows = newSampleRows(min(left, s.limits.CommitRows))
			}
		}
	}
	if len(rows.stacks) == 0 {
		return nil
	}
	return s.sendSamples(ctx, &rows, id)
}

func (s *Store) sendSamples(ctx context.Context, r *sampleRows, id uint64) error {
	return s.send(ctx, "INSERT INTO @.samples (cluster, namespace, service, type, window_start, duration_s, series_id, stack_id, value, count, commit_id, thread)",
		nil, r.clusters, r.namespaces, r.services, r.types, r.starts, r.seconds, r.series, r.stacks, r.values, r.counts, extend([]uint64(nil), id, len(r.stacks)), r.threads)
}

// extend appends a value n times.
func extend[T any](list []T, value T, n int) []T {
	list = slices.Grow(list, n)
	for range n {
		list = append(list, value)
	}
	return list
}
