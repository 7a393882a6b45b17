package pyroscope

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/client"
	"github.com/podflame/podflame/backend/internal/pyroscope/wire"
	"github.com/podflame/podflame/backend/profile"
)

// rendered is the answer of /pyroscope/render.
type rendered struct {
	Version     int                         `json:"version"`
	Flamebearer flamebearer                 `json:"flamebearer"`
	Metadata    metadata                    `json:"metadata"`
	Timeline    *renderedTimeline           `json:"timeline"`
	Groups      map[string]renderedTimeline `json:"groups"`
}

type flamebearer struct {
	Names    []string  `json:"names"`
	Levels   [][]int64 `json:"levels"`
	NumTicks int64     `json:"numTicks"`
	MaxSelf  int64     `json:"maxSelf"`
}

type metadata struct {
	Format     string `json:"format"`
	SpyName    string `json:"spyName"`
	SampleRate int64  `json:"sampleRate"`
	Units      string `json:"units"`
	Name       string `json:"name"`
}

// renderedTimeline has whole numbers only, so a step of which nothing is known is
// zero, as the format has it; the header of coverage tells.
type renderedTimeline struct {
	StartTime     int64   `json:"startTime"`
	Samples       []int64 `json:"samples"`
	DurationDelta int64   `json:"durationDelta"` // seconds
}

// leastDelta and mostDeltas bound the timeline of /pyroscope/render.
const (
	leastDelta = 10 * time.Second
	mostDeltas = 1_000
)

func (s *Server) render(ctx context.Context, from client.API, query url.Values) (*rendered, string, error) {
	ask, group, err := s.renderRequest(query)
	if err != nil {
		return nil, "", err
	}
	graph, note, err := flame(ctx, from, ask)
	if err != nil {
		return nil, "", err
	}
	t, err := typeOf(ask.profileType)
	if err != nil {
		return nil, "", err
	}
	out := &rendered{
		Version:     1,
		Flamebearer: flamebearer{graph.Names, levels(graph), graph.Total, graph.MaxSelf},
		Metadata:    metadata{"single", "podflame", t.perUnit, t.units, ask.profileType + ask.selector},
		Groups:      map[string]renderedTimeline{},
	}
	length := ask.span.to.Sub(ask.span.from)
	times := seriesRequest{ask.profileType, ask.selector, ask.span, max(leastDelta, (length/mostDeltas).Truncate(time.Second)+time.Second), nil, 0}
	whole, _, err := timelines(ctx, from, times)
	if err != nil {
		return nil, "", err
	}
	first := times.rendered(whole[0])
	out.Timeline = &first
	if group != "" {
		times.by = []string{group}
		parts, _, err := timelines(ctx, from, times)
		if err != nil {
			return nil, "", err
		}
		for _, part := range parts {
			out.Groups[part.labels[group]] = times.rendered(part)
		}
	}
	return out, note, nil
}

func (s *Server) renderRequest(query url.Values) (ask stackRequest, group string, err error) {
	if format := query.Get("format"); format != "" && format != "json" {
		return ask, "", refuse(connect.CodeInvalidArgument, "format %.40q is not offered here: ask for json", format)
	}
	name, selector, _ := strings.Cut(query.Get("query"), "{")
	ask.profileType = strings.TrimSpace(name)
	if len(selector) > 0 {
		ask.selector = "{" + selector
	}
	if ask.span.from, err = moment("from", query.Get("from"), s.now()); err != nil {
		return ask, "", err
	}
	until := query.Get("until")
	if until == "" {
		until = "now"
	}
	if ask.span.to, err = moment("until", until, s.now()); err != nil {
		return ask, "", err
	}
	if !ask.span.from.Before(ask.span.to) {
		return ask, "", refuse(connect.CodeInvalidArgument, "from is not before until")
	}
	if n := query.Get("maxNodes"); n != "" {
		nodes, err := strconv.ParseInt(n, 10, 64)
		if err != nil {
			return ask, "", refuse(connect.CodeInvalidArgument, "maxNodes is %.40q, which is no whole number", n)
		}
		ask.nodes = &nodes
	}
	return ask, query.Get("groupBy"), nil
}

// moment reads a time as /pyroscope/render documents it: a date, a number since
// 1970 whose length tells its unit, now, or now less one offset.
func moment(name, text string, now time.Time) (time.Time, error) {
	wrong := refuse(connect.CodeInvalidArgument, "%s is %.40q, which is no time such as 1577836800, 20231223 or now-1h", name, text)
	if text == "now" {
		return now.Truncate(time.Second), nil
	}
	if offset, ok := strings.CutPrefix(text, "now-"); ok && len(offset) > 1 {
		unit, ok := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}[offset[len(offset)-1]]
		n, err := strconv.ParseUint(offset[:len(offset)-1], 10, 32)
		if !ok || err != nil || n > 1e6 {
			return time.Time{}, wrong
		}
		return now.Add(-time.Duration(n) * unit).Truncate(time.Second), nil
	}
	if date, err := time.Parse("20060102", text); err == nil {
		return date, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return time.Time{}, wrong
	}
	for unit := int64(1); unit <= 1e9; unit *= 1000 {
		if n/unit < 1e11 {
			return time.Unix(n/unit, 0), nil
		}
	}
	return time.Time{}, wrong
}

func levels(graph *wire.FlameGraph) [][]int64 {
	out := make([][]int64, len(graph.Levels))
	for i, level := range graph.Levels {
		out[i] = level.Values
	}
	return out
}

func (r seriesRequest) rendered(t timeline) renderedTimeline {
	out := renderedTimeline{StartTime: r.span.from.Unix(), Samples: make([]int64, len(t.steps)), DurationDelta: int64(r.step / time.Second)}
	for i, step := range t.steps {
		out.Samples[i] = int64(step.amount)
	}
	return out
}

// renders answers /pyroscope/render.
func (s *Server) renders(w http.ResponseWriter, r *http.Request) {
	out, note, err := s.render(r.Context(), s.as(r), r.URL.Query())
	s.answered("render", err)
	if err != nil {
		api.WriteError(w, asPodflame(err))
		return
	}
	w.Header().Set(coverageHeader, headerText(note))
	api.Answer(w, r, out)
}

// asPodflame is an error of this package as one of Podflame's API.
func asPodflame(err error) error {
	e, ok := errors.AsType[*connect.Error](err)
	switch {
	case !ok:
		return err
	case e.Code() == connect.CodeNotFound:
		return api.Errorf(profile.NotFound, "%s", e.Message())
	}
	return api.Errorf(profile.BadParameter, "%s", e.Message())
}
