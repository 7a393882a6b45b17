package pyroscope

import (
	"context"
	"encoding/binary"
	"net/url"
	"strconv"

	"connectrpc.com/connect"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/client"
	"github.com/podflame/podflame/backend/internal/pyroscope/wire"
)

func (s *Server) selectMergeStacktraces(ctx context.Context, from client.API, in *wire.SelectMergeStacktracesRequest) (*wire.SelectMergeStacktracesResponse, string, error) {
	if len(in.ProfileIdSelector)+len(in.TraceIdSelector)+len(in.SpanSelector) > 0 {
		return nil, "", errNotKept
	}
	ask := stackRequest{in.ProfileTypeID, in.LabelSelector, newSpan(in.Start, in.End, s.now()), in.MaxNodes, in.StackTraceSelector}
	switch in.Format {
	case wire.ProfileFormat_PROFILE_FORMAT_UNSPECIFIED, wire.ProfileFormat_PROFILE_FORMAT_FLAMEGRAPH:
		graph, note, err := flame(ctx, from, ask)
		return &wire.SelectMergeStacktracesResponse{Flamegraph: graph}, note, err
	case wire.ProfileFormat_PROFILE_FORMAT_TREE:
		tree, note, err := packedTree(ctx, from, ask)
		return &wire.SelectMergeStacktracesResponse{Tree: tree}, note, err
	case wire.ProfileFormat_PROFILE_FORMAT_PPROF:
		p, note, err := merged(ctx, from, ask)
		return &wire.SelectMergeStacktracesResponse{Pprof: &wire.PprofProfile{Profile: p}}, note, err
	}
	return nil, "", refuse(connect.CodeUnimplemented, "format %v is not offered here: ask for a flame graph, a tree or pprof", in.Format)
}

// stackRequest is what every request for merged stacks says.
type stackRequest struct {
	profileType, selector string
	span                  span
	nodes                 *int64
	stacks                *wire.StackTraceSelector
}

// query are the parameters for Podflame's API.
func (r stackRequest) query(ctx context.Context, from client.API) (url.Values, profileType, error) {
	t, err := typeOf(r.profileType)
	if err != nil {
		return nil, t, err
	}
	if r.stacks.GetGoPgo() != nil {
		return nil, t, refuse(connect.CodeUnimplemented, "profiles for Go's compiler are not made here: Podflame profiles JVMs")
	}
	matchers, err := parseSelector(r.selector)
	if err != nil {
		return nil, t, err
	}
	query, err := selection(ctx, from, r.span, t, matchers)
	if err != nil {
		return nil, t, err
	}
	for _, site := range r.stacks.GetCallSite() {
		query.Add("path", site.GetName())
	}
	if r.nodes != nil && *r.nodes != 0 {
		query.Set("nodes", strconv.FormatInt(*r.nodes, 10))
	}
	return query, t, nil
}

// callTree asks for a call tree, with what is measured in each node itself.
func (r stackRequest) callTree(ctx context.Context, from client.API) (answer *api.Flame, self []int64, err error) {
	query, t, err := r.query(ctx, from)
	if err != nil {
		return nil, nil, err
	}
	if answer, err = client.Ask[api.Flame](ctx, from, "/api/v1/flame", query); err != nil {
		return nil, nil, err
	}
	if t.counts {
		return answer, answer.Counts, nil
	}
	return answer, answer.Values, nil
}

// packedTree is a call tree as clients unpack it that only need names: each node
// before its children, as its name, what is measured in itself and the number of
// its children, all numbers and lengths as varints. The root has no name.
func packedTree(ctx context.Context, from client.API, ask stackRequest) ([]byte, string, error) {
	answer, self, err := ask.callTree(ctx, from)
	if err != nil {
		return nil, "", err
	}
	children := make([]uint64, len(self))
	for _, up := range answer.Parents[1:] {
		children[up]++
	}
	var out []byte
	for node := range self {
		name := ""
		if node > 0 {
			name = answer.Functions[answer.Frames[node]]
		}
		out = append(binary.AppendUvarint(out, uint64(len(name))), name...)
		out = binary.AppendUvarint(binary.AppendUvarint(out, uint64(self[node])), children[node])
	}
	return out, coverageNote(answer.Coverage), nil
}

func flame(ctx context.Context, from client.API, ask stackRequest) (*wire.FlameGraph, string, error) {
	answer, self, err := ask.callTree(ctx, from)
	if err != nil {
		return nil, "", err
	}
	graph := flameGraph(answer.Graph, self)
	graph.Names[0] = rootName(answer.Coverage)
	return graph, coverageNote(answer.Coverage), nil
}

// flameGraph brings a call tree into levels. A node has four numbers: how far it
// begins behind the end of the one before it in its level, what is measured in
// and below it, in itself, and its name.
func flameGraph(g api.Graph, self []int64) *wire.FlameGraph {
	total := append([]int64(nil), self...)
	for node := len(total) - 1; node > 0; node-- {
		total[g.Parents[node]] += total[node]
	}
	out := &wire.FlameGraph{Names: append([]string{""}, g.Functions...), Total: total[0]}
	depth, free := make([]int, len(total)), make([]int64, len(total)) // free is where the next child begins
	var end []int64                                                   // by level
	for node := range total {
		begin := int64(0)
		if node > 0 {
			up := g.Parents[node]
			depth[node], begin = depth[up]+1, free[up]
			free[up] += total[node]
		}
		free[node] = begin + self[node]
		if depth[node] == len(end) {
			end, out.Levels = append(end, 0), append(out.Levels, &wire.Level{})
		}
		level := out.Levels[depth[node]]
		level.Values = append(level.Values, begin-end[depth[node]], total[node], self[node], int64(g.Frames[node]+1))
		end[depth[node]] = begin + total[node]
		out.MaxSelf = max(out.MaxSelf, self[node])
	}
	return out
}
