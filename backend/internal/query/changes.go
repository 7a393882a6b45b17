package query

import (
	"context"
	"fmt"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/changes"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
	"golang.org/x/sync/errgroup"
)

// changes says which functions take another share than in the base. If nothing
// says what the base is, the newest version in the range is compared to the one
// before, and a service of one version to itself a day ago.
func (q *Query) changes(ctx context.Context, r request) (any, error) {
	if r.base == nil {
		var err error
		if r, err = q.withBase(ctx, r); err != nil {
			return nil, err
		}
	}
	g, ctx2 := errgroup.WithContext(ctx)
	var sides [2]*blocks
	for i, side := range []request{*r.base, r} {
		g.Go(func() (err error) {
			sides[i], err = q.blocks(ctx2, side)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	result := changes.Compare(sides[0].side, sides[1].side)
	out := api.Changes{
		Type: r.sel.Type, Unit: r.sel.Type.Unit(), CountUnit: r.sel.Type.CountUnit(),
		Base: sides[0].answer, Head: sides[1].answer,
		Enough: result.Enough && !r.cold && !r.base.cold, Level: changes.Level, Tested: result.Tested, Changes: []api.Change{},
		Scanned: q.scanned(sides[0].cost, sides[1].cost),
	}
	for _, c := range result.Changes[:min(len(result.Changes), r.functions)] {
		out.Changes = append(out.Changes, api.Change{
			Name: c.Name, Kind: c.Kind.String(), Measure: string(c.Measure),
			Base: c.Base, Head: c.Head, Low: c.Low, High: c.High, Chance: c.Chance,
		})
	}
	out.Omitted = len(result.Changes) - len(out.Changes)
	return out, nil
}

// Compare compares the newest version of a service in a span to the one before,
// without the first minutes of each: a JVM that still compiles has other shares, and
// where there are no others there is not enough to compare.
// It takes its turn among the requests of people. The versions of the sides are
// empty if there is only one.
func (q *Query) Compare(ctx context.Context, key store.ServiceKey, t profile.Type, span store.Range, warmUp time.Duration) (*api.Changes, error) {
	done, err := q.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	ctx, share := q.memory.Begin(ctx)
	defer share.End()
	ctx, cancel := context.WithTimeoutCause(ctx, q.Limits.Timeout, errTimeout)
	defer cancel()
	r := request{sel: store.Selection{ServiceKey: key, Type: t, Range: span}, rng: api.Range{From: span.From, To: span.To}, functions: q.Limits.MaxFunctions, warmUp: warmUp}
	answer, err := q.changes(ctx, r)
	if err != nil {
		return nil, err
	}
	out := answer.(api.Changes)
	return &out, nil
}

func (q *Query) withBase(ctx context.Context, r request) (request, error) {
	versions, _, err := q.Samples.Versions(ctx, r.sel)
	if err != nil {
		return r, err
	}
	base := r
	if len(versions) > 1 {
		r.narrow(versions[0])
		base.narrow(versions[1])
	} else {
		base.rng = api.Range{From: r.rng.From.Add(-day), To: r.rng.To.Add(-day)}
		base.sel.Range = store.Range{From: base.rng.From, To: base.rng.To}
	}
	r.base = &base
	return r, nil
}

// narrow leaves of a request a version and the time in which it sent windows:
// blocks are cut out of that, and a short one needs enough of them as well. One that
// has not been there for longer than the warm-up is not judged.
func (r *request) narrow(v store.VersionSpan) {
	r.sel.Versions = []string{v.Version}
	r.rng = api.Range{From: v.First.UTC(), To: v.Last.UTC().Add(time.Second)}
	if warm := r.rng.From.Add(r.warmUp); warm.Before(v.Last) {
		r.rng.From = warm
	} else {
		r.cold = r.warmUp > 0
	}
	r.sel.Range = store.Range{From: r.rng.From, To: r.rng.To}
}

const day = 24 * time.Hour

// blocks are a side of a comparison.
type blocks struct {
	side   *changes.Side
	answer api.ChangesSide
	cost   store.Cost
}

// Into how many groups of targets and into about how many blocks a side is cut.
const (
	mostGroups = 16
	someBlocks = 32
)

func (q *Query) blocks(ctx context.Context, r request) (*blocks, error) {
	ledger, err := q.Samples.Coverage(ctx, r.sel)
	if err != nil {
		return nil, err
	}
	coverage, err := q.explained(ctx, r, ledger)
	if err != nil {
		return nil, err
	}
	out := &blocks{side: changes.NewSide(), cost: ledger.Cost, answer: api.ChangesSide{Range: r.rng, Versions: r.sel.Versions, Coverage: coverage}}
	if out.answer.Versions == nil {
		out.answer.Versions = []string{}
	}
	groups, cut := max(min(ledger.Targets, mostGroups), 1), profile.Amount{}
	cost, err := q.Samples.Blocks(ctx, r.sel, groups, (someBlocks+groups-1)/groups, func(b store.Block) error {
		tree, outside, err := b.Tree.Filter(ctx, r.filter)
		if err != nil {
			return fmt.Errorf("filter a block: %w", err)
		}
		out.side.Add(b.Group, less(b.Total, outside[0]), tree)
		out.answer.Blocks++
		cut = cut.Add(b.Cut)
		out.answer.Total, out.answer.Outside = out.answer.Total.Add(b.Total), out.answer.Outside.Add(outside[0])
		return nil
	})
	out.cost.Add(cost)
	noteAmount(&out.answer.Coverage, profile.StacksCut, cut)
	noteThreads(&out.answer.Coverage, r.sel, coverage.Stored, less(coverage.Stored, out.answer.Total))
	return out, err
}
