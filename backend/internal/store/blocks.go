package store

import (
	"context"
	"fmt"
	"time"

	"github.com/podflame/podflame/backend/internal/calltree"
	"github.com/podflame/podflame/backend/profile"
)

// Block is what some targets of a selection sampled in a part of its range.
type Block struct {
	Group int // of targets
	Total profile.Amount
	Tree  *calltree.Tree // with one side
	Cut   profile.Amount // see Side
}

// Blocks cuts a selection into groups of targets and slices of time and hands
// the blocks over one by one, a group's in order of time. It reads samples and
// never the roll-up, which knows neither. A selection of more than
// Limits.BlockRows stacks, counted once in each block, is refused.
func (s *Store) Blocks(ctx context.Context, sel Selection, groups, slices int, each func(Block) error) (Cost, error) {
	const op = "read blocks"
	if err := sel.check(op, s); err != nil {
		return Cost{}, err
	}
	if groups < 1 || slices < 1 || groups*slices > maxBlocks {
		return Cost{}, &Error{Class: BadSelection, Op: op, Err: fmt.Errorf("%d groups in %d slices are not from 1 to %d blocks", groups, slices, maxBlocks)}
	}
	return s.reading(ctx, op, func(ctx context.Context, r *read) error {
		blocks, lists, err := r.blocks(ctx, sel, groups, slices)
		if err != nil || len(lists) == 0 {
			return err
		}
		found, done, err := r.stacks(ctx, []Selection{sel}, lists)
		if err != nil {
			return err
		}
		defer done()
		for i, b := range blocks {
			tree, lacking := found.TreeOf(i)
			b.Tree, b.Cut = tree, lacking.Cut
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := each(b); err != nil {
				return err
			}
		}
		return nil
	})
}

// maxBlocks bounds the blocks of a selection.
const maxBlocks = 1024

// stackOfBlock is the sum of a stack in a block.
type stackOfBlock struct {
	Block int64  `ch:"block"`
	Stack uint64 `ch:"stack_id"`
	Value int64  `ch:"sv"`
	Count uint64 `ch:"sc"`
}

// blocks returns the blocks and their sums.
func (r *read) blocks(ctx context.Context, sel Selection, groups, slices int) ([]Block, [][]calltree.Sum, error) {
	from, to := sel.seconds()
	slice := max((to-from+int64(slices)-1)/int64(slices), int64(time.Minute/time.Second))
	chosen, args := sel.targets(sel.params().with("type", string(sel.Type)))
	threads := ""
	if sel.someThreads() {
		threads, args = sel.ofThreads(args)
		threads = " AND " + threads
	}
	limit := r.store.limits.BlockRows
	statement := fmt.Sprintf(`SELECT toInt64(series_id %% %d) * %d + intDiv(toInt64(toUnixTimestamp(window_start)) - %d, %d) AS block, stack_id, sum(value) AS sv, sum(count) AS sc
FROM @(SELECT series_id, window_start, stack_id, value, count FROM @.samples WHERE %s AND type = {type:String} AND %s%s
 AND (series_id, window_start, commit_id) IN (SELECT series_id, window_start, commit_id FROM @.profiles FINAL WHERE %s AND type = {type:String} AND %s%s))`,
		groups, slices, from, slice, scoped, samplesIn(seconds{from, to}), threads, scoped, startsIn("window_start", seconds{from, to}), chosen)
	statement += fmt.Sprintf(" GROUP BY block, stack_id ORDER BY block LIMIT %d", limit+1)
	var blocks []Block
	var lists [][]calltree.Sum
	at, rows := int64(-1), 0
	err := rowsOf(ctx, r, statement, args, func(one *stackOfBlock) error {
		if rows++; rows > limit {
			return &Error{Class: TooExpensive, Op: r.op, Hint: narrow, Err: fmt.Errorf("the selection has more than %d stacks in its %d blocks", limit, groups*slices)}
		}
		if one.Block != at {
			at = one.Block
			blocks, lists = append(blocks, Block{Group: int(at / int64(slices))}), append(lists, nil)
		}
		last, sum := len(blocks)-1, calltree.Sum{Stack: one.Stack, Amount: profile.Amount{Value: one.Value, Count: int64(one.Count)}}
		blocks[last].Total = blocks[last].Total.Add(sum.Amount)
		lists[last] = append(lists[last], sum)
		return nil
	})
	return blocks, lists, err
}

// VersionSpan is when a version of a service sent windows.
type VersionSpan struct {
	Version string    `ch:"version"`
	First   time.Time `ch:"first"` // start of a window, as Last
	Last    time.Time `ch:"last"`
}

// Versions returns the versions of a selection, the newest first: the one whose
// first window came last. At most MaxVersions are returned.
func (s *Store) Versions(ctx context.Context, sel Selection) ([]VersionSpan, Cost, error) {
	const op = "list versions"
	if err := sel.check(op, s); err != nil {
		return nil, Cost{}, err
	}
	var all []VersionSpan // not a result: a read that was given up may still write it
	cost, err := s.reading(ctx, op, func(ctx context.Context, r *read) error {
		from, to := sel.seconds()
		chosen, args := sel.targets(sel.params().with("type", string(sel.Type)))
		statement := fmt.Sprintf(`SELECT version, min(window_start) AS first, max(window_start) AS last FROM @.profiles
WHERE %s AND type = {type:String} AND %s%s GROUP BY version ORDER BY first DESC, version DESC LIMIT %d`,
			scoped, startsIn("window_start", seconds{from, to}), chosen, MaxVersions)
		return rowsOf(ctx, r, statement, args, func(v *VersionSpan) error {
			all = append(all, *v)
			return nil
		})
	})
	if err != nil {
		return nil, cost, err
	}
	return all, cost, nil
}
