package pyroscope

import (
	"testing"
	"time"

	"github.com/podflame/podflame/backend/api"
)

// A program that does the same all the time has the same rate in each step, also where
// the range ends within a window, as one does that was chosen by a drag.
func TestRateIsTheSameUpToTheEndOfTheRange(t *testing.T) {
	const perSecond = 1000
	from := time.Unix(1_700_000_040, 0).UTC() // a whole minute
	for name, one := range map[string]struct {
		window, step, asked, whole time.Duration
		steps                      int // that are whole
	}{
		"windows of a minute":     {time.Minute, time.Minute, 15 * time.Second, 15*time.Minute + 15*time.Second, 61},
		"a step longer than one":  {time.Minute, time.Minute, 2 * time.Minute, 15*time.Minute + 5*time.Second, 7},
		"windows of 10 minutes":   {10 * time.Minute, 10 * time.Minute, 15 * time.Second, 30*time.Minute + 30*time.Second, 122},
		"steps of several":        {time.Minute, 10 * time.Minute, 10 * time.Minute, 6 * 24 * time.Hour, 6 * 24 * 6},
		"the end of a window":     {time.Minute, time.Minute, 15 * time.Second, 15 * time.Minute, 60},
		"ends in a part of steps": {time.Minute, 11 * time.Minute, time.Minute, 7*24*time.Hour + 3*time.Minute, 7*24*60 + 3},
	} {
		ask := seriesRequest{span: span{from, from.Add(one.whole)}, step: one.asked}
		answer := &api.Series{StepSeconds: int64(one.step / time.Second)}
		var amounts []float64
		for at := from; at.Before(ask.span.to); at = at.Add(one.step) {
			answer.Points = append(answer.Points, api.Point{Start: at})
			begun := (min(one.step, ask.span.to.Sub(at)) + one.window - 1) / one.window * one.window
			amounts = append(amounts, perSecond*begun.Seconds())
		}
		got := spread(answer, ask, func(i int) cell { return cell{amounts[i], 1} })
		if len(got) < one.steps {
			t.Fatalf("%s: %d steps, want %d", name, len(got), one.steps)
		}
		for i, c := range got[:one.steps] {
			if rate := c.amount / one.asked.Seconds(); rate < perSecond*0.999 || rate > perSecond*1.001 {
				t.Errorf("%s: step %d of %d has a rate of %g, want %d", name, i, len(got), rate, perSecond)
			}
		}
	}
}
