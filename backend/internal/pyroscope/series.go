package pyroscope

import (
	"context"
	"math"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/client"
	"github.com/podflame/podflame/backend/internal/pyroscope/wire"
	"github.com/podflame/podflame/backend/profile"
)

// maxSteps bounds the points of a series, as Prometheus does; mostPoints is what
// Podflame's API is asked for, whose points are no finer than windows.
const (
	maxSteps   = 11_000
	mostPoints = 1_000
)

func (s *Server) selectSeries(ctx context.Context, from client.API, in *wire.SelectSeriesRequest) (*wire.SelectSeriesResponse, string, error) {
	if in.StackTraceSelector != nil {
		return nil, "", refuse(connect.CodeUnimplemented, "a timeline of some stacks is not offered here")
	}
	ask := seriesRequest{in.ProfileTypeID, in.LabelSelector, newSpan(in.Start, in.End, s.now()), time.Duration(in.Step * float64(time.Second)), in.GroupBy, in.GetLimit()}
	if math.IsNaN(in.Step) || in.Step < 1 || in.Step > 7*24*3600 {
		return nil, "", refuse(connect.CodeInvalidArgument, "the step is %g s; it may be from 1 s to a week", in.Step)
	}
	list, note, err := timelines(ctx, from, ask)
	if err != nil {
		return nil, "", err
	}
	out := &wire.SelectSeriesResponse{}
	for _, one := range list {
		series := &wire.Series{Labels: one.labels.message()}
		for i, step := range one.steps {
			if step.windows == 0 { // nothing is known, which is not zero
				continue
			}
			v := step.amount
			if in.GetAggregation() == wire.Aggregation_TIME_SERIES_AGGREGATION_TYPE_AVERAGE {
				v /= step.windows
			}
			series.Points = append(series.Points, &wire.Point{Value: v, Timestamp: ask.end(i).UnixMilli()})
		}
		out.Series = append(out.Series, series)
	}
	return out, note, nil
}

type seriesRequest struct {
	profileType, selector string
	span                  span
	step                  time.Duration
	by                    []string
	limit                 int64
}

func (r seriesRequest) steps() int { return int((r.span.to.Sub(r.span.from) + r.step - 1) / r.step) }

// end is that of a step, which Pyroscope's points are at.
func (r seriesRequest) end(i int) time.Time { return r.span.from.Add(time.Duration(i+1) * r.step) }

// timeline is a series by step.
type timeline struct {
	labels labels
	steps  []cell
}

// cell is what windows stored, and how many: a fraction if a window is longer than
// a step.
type cell struct{ amount, windows float64 }

// mostServices bounds the services of a timeline: each is asked for by itself.
const mostServices = 20

// timelines are the series of a selection, one for each value of the labels that
// are asked for: of each service the heaviest first. Equal series of several
// services are one.
func timelines(ctx context.Context, from client.API, ask seriesRequest) ([]timeline, string, error) {
	t, err := typeOf(ask.profileType)
	if err != nil {
		return nil, "", err
	}
	matchers, err := parseSelector(ask.selector)
	if err != nil {
		return nil, "", err
	}
	if n := ask.span.to.Sub(ask.span.from) / ask.step; n > maxSteps {
		return nil, "", refuse(connect.CodeInvalidArgument, "the range has %d steps of %s, the limit is %d: ask for a longer step", n, ask.step, maxSteps)
	}
	services, err := selections(ctx, from, ask.span, t, matchers)
	if err != nil {
		return nil, "", err
	}
	if len(services) > mostServices {
		return nil, "", refuse(connect.CodeInvalidArgument, "the selector chooses %d services (%s…), and a timeline is of at most %d: narrow it by %s, %s or %s",
			len(services), someNames(services), mostServices, labelService, labelNamespace, labelCluster)
	}
	var list []timeline
	var notes []string
	at := map[string]int{}
	for _, one := range services {
		of, note, err := timelinesOf(ctx, from, ask, t, one)
		if err != nil {
			return nil, "", err
		}
		if len(services) > 1 {
			note = one.service.name() + ": " + note
		}
		notes = append(notes, note)
		for _, series := range of {
			key := series.labels.key()
			if i, ok := at[key]; ok {
				list[i].add(series)
				continue
			}
			at[key], list = len(list), append(list, series)
		}
	}
	return list, strings.Join(notes, "; "), nil
}

// add adds a series of the same labels.
func (t timeline) add(other timeline) {
	for i, step := range other.steps {
		t.steps[i].amount += step.amount
		t.steps[i].windows += step.windows
	}
}

func timelinesOf(ctx context.Context, from client.API, ask seriesRequest, t profileType, one chosen) ([]timeline, string, error) {
	fixed, by, err := groups(ask.by, one.service.with(labelType, t.id))
	if err != nil {
		return nil, "", err
	}
	one.query.Set("points", strconv.Itoa(mostPoints))
	if by != "" {
		one.query.Set("by", by)
		if ask.limit > 0 {
			one.query.Set("parts", strconv.FormatInt(ask.limit, 10))
		}
	}
	answer, err := client.Ask[api.Series](ctx, from, "/api/v1/series", one.query)
	if err != nil {
		return nil, "", err
	}
	return split(answer, ask, t, fixed, by), coverageNote(answer.Coverage), nil
}

// groups are the labels that all series of an answer have, and the one that tells
// them apart, if any.
func groups(by []string, known labels) (fixed labels, column string, err error) {
	fixed = labels{}
	for _, name := range by {
		switch {
		case !isLabel(name):
			return nil, "", refuse(connect.CodeInvalidArgument, "label %.40q is not known here", name)
		case !isTargetLabel(name):
			if known[name] != "" {
				fixed[name] = known[name]
			}
		case column != "" && column != name:
			return nil, "", refuse(connect.CodeInvalidArgument, "a timeline is taken apart by one of %v, not by %s and %s", targetLabels(), column, name)
		default:
			column = name
		}
	}
	return fixed, column, nil
}

func split(answer *api.Series, ask seriesRequest, t profileType, fixed labels, by string) []timeline {
	if by == "" {
		return []timeline{{fixed, spread(answer, ask, func(i int) cell {
			p := answer.Points[i]
			return cell{float64(t.amount(profile.Amount{Value: p.Value, Count: p.Count})), float64(p.Windows.Stored)}
		})}}
	}
	list := make([]timeline, 0, len(answer.Parts))
	for _, part := range answer.Parts {
		list = append(list, timeline{fixed.with(by, part.Name), spread(answer, ask, func(i int) cell {
			return cell{float64(t.amount(profile.Amount{Value: part.Values[i], Count: part.Counts[i]})), float64(part.Windows[i])}
		})})
	}
	return list
}

// spread brings a timeline to other steps: what is in a step of ours is spread
// evenly over it, so that neither a sum nor a rate changes; but of a window that goes
// on after the range, what it has there is left out, or its rate would seem higher.
func spread(answer *api.Series, ask seriesRequest, ours func(i int) cell) []cell {
	out := make([]cell, ask.steps())
	length, whole := time.Duration(answer.StepSeconds)*time.Second, ask.span.to.Sub(ask.span.from)
	for i, p := range answer.Points {
		c := ours(i)
		begin := p.Start.Sub(ask.span.from)
		end := begin + length
		if severalWindows(whole, length) { // those that begin within the range
			end = min(end, whole)
		}
		for step := max(begin, 0) / ask.step; step < time.Duration(len(out)) && step*ask.step < min(end, whole); step++ {
			share := float64(min(end, whole, (step+1)*ask.step)-max(begin, step*ask.step)) / float64(end-begin)
			out[step].amount += c.amount * share
			out[step].windows += c.windows * share
		}
	}
	return out
}

// severalWindows says whether a step of an answer may be longer than a window: the API
// makes it the shortest multiple with which a range has at most mostPoints, so there are
// more than half as many then.
func severalWindows(whole, length time.Duration) bool { return whole > length*mostPoints/2 }
