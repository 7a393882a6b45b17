package store

import (
	"cmp"
	"slices"
	"time"
)

// grid is a range in steps, of which each is a cell.
type grid struct {
	span  seconds
	steps steps
}

func (g *grid) number() int { return int(g.steps.number(g.span)) }

func (g *grid) cellOf(at int64) int { return int(max((at-g.steps.first)/g.steps.length, 0)) }

// cell is the span of a cell; the first one begins where the range does.
func (g *grid) cell(i int) seconds {
	from := g.steps.first + int64(i)*g.steps.length
	c := seconds{from, min(from+g.steps.length, g.span.to)}
	if i == 0 {
		c.from = g.span.from
	}
	return c
}

func overlap(a, b seconds) time.Duration {
	return time.Duration(max(min(a.to, b.to)-max(a.from, b.from), 0)) * time.Second
}

// live enters a life within the range in the times of its cells.
func (g *grid) live(life seconds, of func(cell int) *Time) {
	for i, n := g.cellOf(life.from), g.number(); i < n; i++ {
		cell := g.cell(i)
		if cell.from >= life.to {
			return
		}
		of(i).Lived += overlap(cell, life)
	}
}

// cover works out in how much of each cell there was at least one life. It sorts
// the list.
func (g *grid) cover(lives []seconds, of func(cell int) *Time) {
	slices.SortFunc(lives, func(x, y seconds) int { return cmp.Compare(x.from, y.from) })
	at := g.span.from
	for _, l := range lives {
		l.from = max(l.from, at)
		for i, n := g.cellOf(l.from), g.number(); i < n && l.from < l.to; i++ {
			cell := g.cell(i)
			of(i).Covered += overlap(cell, l)
			l.from = max(l.from, min(cell.to, l.to))
		}
		at = max(at, l.to)
	}
}
