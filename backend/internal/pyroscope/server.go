package pyroscope

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"connectrpc.com/connect"
	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/client"
	"github.com/podflame/podflame/backend/internal/pyroscope/wire"
	"github.com/podflame/podflame/backend/profile"
)

// Base is where the API is: what clients are given as the address of Pyroscope.
const Base = "/api/pyroscope"

const service = "/querier.v1.QuerierService/"

// Limits of a message, in bytes: of a request, and of what Podflame's API answers
// for it.
const (
	maxRequest = 64 << 10
	maxInner   = 64 << 20
)

// Config is what New needs.
type Config struct {
	API      http.Handler     // of Podflame, that is asked as the caller
	Now      func() time.Time // nil is time.Now
	Registry prometheus.Registerer
}

// Server answers the API of Pyroscope. It is safe for concurrent use.
type Server struct {
	api      http.Handler
	now      func() time.Time
	requests *prometheus.CounterVec
}

// New returns a Server. It registers its metrics.
func New(c Config) *Server {
	s := &Server{api: c.API, now: c.Now, requests: promauto.With(c.Registry).NewCounterVec(prometheus.CounterOpts{
		Name: "podflame_pyroscope_requests_total", Help: "Requests by clients of Pyroscope, by method and outcome: ok, or the code of the error in Connect's words.",
	}, []string{"method", "outcome"})}
	if s.now == nil {
		s.now = time.Now
	}
	return s
}

// Routes adds the routes.
func (s *Server) Routes(r gin.IRouter) {
	methods := http.NewServeMux()
	unary(s, methods, "ProfileTypes", s.profileTypes)
	unary(s, methods, "LabelNames", s.labelNames)
	unary(s, methods, "LabelValues", s.labelValues)
	unary(s, methods, "Series", s.series)
	unary(s, methods, "SelectSeries", s.selectSeries)
	unary(s, methods, "SelectMergeStacktraces", s.selectMergeStacktraces)
	unary(s, methods, "SelectMergeProfile", s.selectMergeProfile)
	r.POST(Base+service+":method", gin.WrapH(http.StripPrefix(Base, methods)))
	r.GET(Base+"/pyroscope/render", gin.WrapF(s.renders))
}

type callerKey struct{}

// unary adds a method. Its answer has a note of what it lacks, if it is about
// samples.
func unary[In, Out any](s *Server, mux *http.ServeMux, method string, answer func(ctx context.Context, from client.API, in *In) (*Out, string, error)) {
	handler := connect.NewUnaryHandler(service+method, func(ctx context.Context, r *connect.Request[In]) (*connect.Response[Out], error) {
		caller, _ := ctx.Value(callerKey{}).(*http.Request)
		out, note, err := answer(ctx, s.as(caller), r.Msg)
		err = asConnect(err)
		s.answered(method, err)
		if err != nil {
			return nil, err
		}
		response := connect.NewResponse(out)
		if note != "" {
			response.Header().Set(coverageHeader, headerText(note))
		}
		return response, nil
	}, connect.WithReadMaxBytes(maxRequest), connect.WithCompressMinBytes(1400))
	mux.HandleFunc(service+method, func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, r)))
	})
}

// as asks Podflame's API as the caller of a request.
func (s *Server) as(caller *http.Request) client.API {
	return &client.InProcess{Handler: s.api, Caller: caller, Limit: maxInner}
}

func (s *Server) answered(method string, err error) {
	outcome := "ok"
	if err != nil {
		outcome = connect.CodeOf(asConnect(err)).String()
	}
	s.requests.WithLabelValues(method, outcome).Inc()
}

func (s *Server) profileTypes(ctx context.Context, from client.API, in *wire.ProfileTypesRequest) (*wire.ProfileTypesResponse, string, error) {
	list, more, err := catalog(ctx, from, newSpan(in.Start, in.End, s.now()), nil, nil)
	if err != nil {
		return nil, "", err
	}
	out := &wire.ProfileTypesResponse{}
	have := distinct(list, labelType)
	for _, t := range profileTypes() {
		if slices.Contains(have, t.id) {
			out.ProfileTypes = append(out.ProfileTypes, t.message())
		}
	}
	return out, truncated(more), nil
}

func (s *Server) labelNames(_ context.Context, _ client.API, in *wire.LabelNamesRequest) (*wire.LabelNamesResponse, string, error) {
	_, err := parseSelectors(in.Matchers)
	return &wire.LabelNamesResponse{Names: labelNames()}, "", err
}

func (s *Server) labelValues(ctx context.Context, from client.API, in *wire.LabelValuesRequest) (*wire.LabelValuesResponse, string, error) {
	matchers, err := parseSelectors(in.Matchers)
	if err != nil {
		return nil, "", err
	}
	if !isLabel(in.Name) {
		return nil, "", refuse(connect.CodeInvalidArgument, "label %.40q is not known here; known are: %v", in.Name, labelNames())
	}
	list, more, err := catalog(ctx, from, newSpan(in.Start, in.End, s.now()), matchers, []string{in.Name})
	return &wire.LabelValuesResponse{Names: distinct(list, in.Name)}, truncated(more), err
}

func (s *Server) series(ctx context.Context, from client.API, in *wire.SeriesRequest) (*wire.SeriesResponse, string, error) {
	matchers, err := parseSelectors(in.Matchers)
	if err != nil {
		return nil, "", err
	}
	wanted := in.LabelNames
	if len(wanted) == 0 {
		wanted = labelNames()
	}
	list, more, err := catalog(ctx, from, newSpan(in.Start, in.End, s.now()), matchers, wanted)
	if err != nil {
		return nil, "", err
	}
	out := &wire.SeriesResponse{}
	seen := map[string]bool{}
	for _, l := range list {
		one := labels{}
		for _, name := range wanted {
			if l[name] != "" {
				one[name] = l[name]
			}
		}
		if key := one.key(); len(one) > 0 && !seen[key] {
			seen[key] = true
			out.LabelsSet = append(out.LabelsSet, &wire.Labels{Labels: one.message()})
		}
	}
	return out, truncated(more), nil
}

func parseSelectors(list []string) ([]matcher, error) {
	var all []matcher
	for _, text := range list {
		matchers, err := parseSelector(text)
		if err != nil {
			return nil, err
		}
		if all = append(all, matchers...); len(all) > maxMatchers {
			return nil, refuse(connect.CodeInvalidArgument, "there are more than %d conditions, which is the limit", maxMatchers)
		}
	}
	return all, nil
}

func distinct(list []labels, name string) []string {
	var values []string
	seen := map[string]bool{}
	for _, l := range list {
		if v := l[name]; v != "" && !seen[v] {
			seen[v] = true
			values = append(values, v)
		}
	}
	slices.Sort(values)
	return values
}

func truncated(more bool) string {
	if more {
		return "truncated: there are more services or targets than are listed"
	}
	return ""
}

// refuse is an error that the client can mend.
func refuse(code connect.Code, format string, args ...any) *connect.Error {
	return connect.NewError(code, fmt.Errorf(format, args...))
}

var errNotKept = errors.New("profiles are not kept one by one, nor by span or trace: leave these selectors out")

// asConnect says an error of Podflame's API in Connect's words, with its remedy.
func asConnect(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*connect.Error](err); ok {
		return e
	}
	switch {
	case errors.Is(err, errNotKept):
		return connect.NewError(connect.CodeUnimplemented, err)
	case errors.Is(err, context.Canceled):
		return connect.NewError(connect.CodeCanceled, err)
	}
	e := api.AsError(err)
	text := e.Message
	if e.Hint != "" {
		text += ". " + e.Hint
	}
	return connect.NewError(codeOf(e), errors.New(text))
}

func codeOf(e *api.Error) connect.Code {
	switch status := e.Status(); {
	case e.Code == profile.BackendUnreached:
		return connect.CodeCanceled
	case status == http.StatusUnauthorized:
		return connect.CodeUnauthenticated
	case status == http.StatusForbidden:
		return connect.CodePermissionDenied
	case status == http.StatusNotFound:
		return connect.CodeNotFound
	case status == http.StatusBadRequest:
		return connect.CodeInvalidArgument
	case status == http.StatusServiceUnavailable:
		return connect.CodeUnavailable
	case status < 500:
		return connect.CodeResourceExhausted
	}
	return connect.CodeInternal
}
