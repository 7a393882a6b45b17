package pyroscope

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/podflame/podflame/backend/internal/client"
	"github.com/podflame/podflame/backend/internal/pyroscope/wire"
)

func (s *Server) selectMergeProfile(ctx context.Context, from client.API, in *wire.SelectMergeProfileRequest) (*wire.Profile, string, error) {
	if len(in.ProfileIdSelector)+len(in.TraceIdSelector) > 0 {
		return nil, "", errNotKept
	}
	return merged(ctx, from, stackRequest{in.ProfileTypeID, in.LabelSelector, newSpan(in.Start, in.End, s.now()), in.MaxNodes, in.StackTraceSelector})
}

// maxProfile bounds a pprof, in bytes.
const maxProfile = 256 << 20

// merged is the pprof of a selection with one number for each sample. Its comments
// have the coverage.
func merged(ctx context.Context, from client.API, ask stackRequest) (*wire.Profile, string, error) {
	query, t, err := ask.query(ctx, from)
	if err != nil {
		return nil, "", err
	}
	query.Set("format", "pprof")
	packed, err := from.Get(ctx, "/api/v1/export", query)
	if err != nil {
		return nil, "", err
	}
	plain, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, "", fmt.Errorf("unpack pprof: %w", err)
	}
	body, err := io.ReadAll(io.LimitReader(plain, maxProfile))
	if err != nil {
		return nil, "", fmt.Errorf("unpack pprof: %w", err)
	}
	p := &wire.Profile{}
	if err := proto.Unmarshal(body, p); err != nil {
		return nil, "", fmt.Errorf("decode pprof: %w", err)
	}
	keepNumber(p, t)
	return p, comments(p), nil
}

// keepNumber leaves of each sample the count, which an export has first, or the
// value.
func keepNumber(p *wire.Profile, t profileType) {
	kept := 1
	if t.counts {
		kept = 0
	}
	p.SampleType = p.SampleType[kept : kept+1]
	p.DefaultSampleType = p.SampleType[0].Type
	for _, sample := range p.Sample {
		sample.Value = sample.Value[kept : kept+1]
	}
}

// comments are those of a pprof in one line.
func comments(p *wire.Profile) string {
	var lines []string
	for _, c := range p.Comment {
		lines = append(lines, p.StringTable[c])
	}
	return strings.Join(lines, "; ")
}
