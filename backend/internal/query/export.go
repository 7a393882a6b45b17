package query

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"slices"
	"time"

	pprof "github.com/google/pprof/profile"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/backend/profile/formats"
)

// The formats of an export.
const (
	formatPprof      = "pprof"
	formatCollapsed  = "collapsed"
	formatSpeedscope = "speedscope"
	formatOTLP       = "otlp-" + OTLPVersion
)

// export answers with a file of the heaviest nodes. What is left out stands in
// it as frames of kind omitted, so its total is that of the selection.
func (q *Query) export(ctx context.Context, r request) (any, error) {
	if r.format == formatOTLP && !q.OTLP {
		e := api.Errorf(profile.BadParameter, "parameter format: OTLP profiles are not offered, as their format is in development")
		e.Hint = "Start the backend with --otlp-profiles=" + OTLPVersion
		return nil, e
	}
	s, err := q.stacks(ctx, r)
	if err != nil {
		return nil, err
	}
	graph, _ := s.tree.Prune(r.nodes, s.unread()...)
	if frames := graph.Frames(0); frames > q.Limits.ExportFrames { // a graph shares them, a file does not
		return nil, api.Exceeded(profile.QueryTooExpensive, "number of frames of all stacks in the file (--export-frames; ask for fewer nodes)", frames, q.Limits.ExportFrames)
	}
	set := graph.StackSet(0, r.sel.Type)
	var body bytes.Buffer
	file := api.File{Name: fileName(r)}
	switch r.format {
	case formatPprof:
		file.Name, file.MediaType, file.Packed = file.Name+".pb.gz", "application/octet-stream", true
		err = s.pprof(r, &set).Write(&body)
	case formatCollapsed:
		file.Name, file.MediaType = file.Name+".collapsed.txt", "text/plain; charset=utf-8"
		err = formats.Collapsed(&body, &set, func(s profile.Stack) int64 {
			if r.byCount {
				return s.Count
			}
			return s.Value
		})
	case formatSpeedscope:
		file.Name, file.MediaType = file.Name+".speedscope.json", "application/json"
		err = formats.Speedscope(&body, &set, fmt.Sprintf("%s %s from %s to %s", r.sel.Service, r.sel.Type, r.rng.From.Format(time.RFC3339), r.rng.To.Format(time.RFC3339)))
	case formatOTLP:
		file.Name, file.MediaType = file.Name+".otlp.pb", "application/octet-stream"
		file.Body, err = s.otlp(r, &set)
	}
	if err != nil {
		return nil, fmt.Errorf("export as %s: %w", r.format, err)
	}
	if file.Body == nil {
		file.Body = body.Bytes()
	}
	return file, nil
}

// fileName is of the service's name what every file system takes.
func fileName(r request) string {
	plain := regexp.MustCompile(`[^A-Za-z0-9._-]+`).ReplaceAllString(r.sel.Service, "_")
	return fmt.Sprintf("%.100s.%s.%s", plain, r.sel.Type, r.rng.From.Format("20060102T150405Z"))
}

// pprof has the values as its default; its comments name the selection, kinds
// of functions other than Java, and the coverage.
func (s *stacks) pprof(r request, set *profile.StackSet) *pprof.Profile {
	count, value := formats.SampleTypes(r.sel.Type)
	p := &pprof.Profile{
		SampleType: []*pprof.ValueType{count, value}, DefaultSampleType: value.Type, PeriodType: value,
		TimeNanos: r.rng.From.UnixNano(), DurationNanos: int64(r.rng.To.Sub(r.rng.From)),
	}
	formats.AddSamples(p, set, true)
	for i, f := range set.Functions {
		p.Function[i].Filename = f.Kind.String()
	}
	p.Comments = s.comments(r)
	return p
}

func (s *stacks) comments(r request) []string {
	only := &s.sides[0]
	c := only.coverage
	lines := []string{
		fmt.Sprintf("podflame: %s of service %q in namespace %q of cluster %q", r.sel.Type, r.sel.Service, r.sel.Namespace, r.sel.Cluster),
		fmt.Sprintf("windows: %d of %d stored, %d lost", c.Windows.Stored, c.Windows.Expected, c.Windows.Lost),
		fmt.Sprintf("captured %d %s in %d %s, stored %d in %d", c.Captured.Value, r.sel.Type.Unit(), c.Captured.Count, r.sel.Type.CountUnit(), c.Stored.Value, c.Stored.Count),
		"the file name of a function is its kind",
	}
	for _, l := range slices.Concat(c.Losses, c.Notices) {
		lines = append(lines, fmt.Sprintf("%s: %s (%s), %d %s in %d %s", l.Outcome, l.Text, l.Reason, l.Value, r.sel.Type.Unit(), l.Count, r.sel.Type.CountUnit()))
	}
	for _, l := range c.NotCaptured {
		lines = append(lines, fmt.Sprintf("never captured: %s (%s), %s, %d %s, %d bytes", l.Text, l.Reason, time.Duration(l.DurationNS), l.Count, r.sel.Type.CountUnit(), l.Bytes))
	}
	if only.outside != (profile.Amount{}) {
		lines = append(lines, fmt.Sprintf("filters left out %d %s in %d %s", only.outside.Value, r.sel.Type.Unit(), only.outside.Count, r.sel.Type.CountUnit()))
	}
	return lines
}
