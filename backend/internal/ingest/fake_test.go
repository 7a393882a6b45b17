package ingest

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/api/apitest"
	"github.com/podflame/podflame/backend/internal/access"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/backend/profile/profiletest"
	"github.com/prometheus/client_golang/prometheus"
)

// fakeStore keeps windows by id and fails as told. It stands for what the real
// store cannot be made to do at a given moment.
type fakeStore struct {
	mu      sync.Mutex
	windows map[profile.WindowID]*profile.Window
	targets []store.TargetStatus
	events  []store.Event
	err     error         // of the next inserts
	hold    chan struct{} // inserts wait until it is closed
	entered chan struct{} // receives when an insert begins

	announced atomic.Int64 // and not answered
}

func (f *fakeStore) Insert(ctx context.Context, w *profile.Window) (store.Result, error) {
	if f.entered != nil {
		f.entered <- struct{}{}
	}
	if f.hold != nil {
		<-f.hold
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return store.Result{}, f.err
	}
	w = whole(w)
	first, duplicate := f.windows[w.ID]
	if !duplicate {
		f.windows[w.ID], first = w, w
	}
	result := store.Result{Duplicate: duplicate, Stored: map[profile.Type]profile.Amount{}}
	for _, c := range first.Coverage {
		result.Stored[c.Type] = c.Stored
		result.Conflict = result.Conflict || c.Stored != w.CoverageOf(c.Type).Stored
	}
	return result, ctx.Err()
}

func (f *fakeStore) Announce() (answered func()) {
	f.announced.Add(1)
	return func() { f.announced.Add(-1) }
}

// whole gives each stack of a window all of its frames.
func whole(w *profile.Window) *profile.Window {
	all := *w
	all.Sets = nil
	for i := range w.Sets {
		set := profile.StackSet{Type: w.Sets[i].Type, Functions: w.Sets[i].Functions}
		for _, s := range w.Sets[i].All() {
			s.Frames = slices.Clone(s.Frames)
			set.Stacks = append(set.Stacks, s)
		}
		all.Sets = append(all.Sets, set)
	}
	return &all
}

func (f *fakeStore) PutTargets(_ context.Context, targets []store.TargetStatus) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.targets = append(f.targets, targets...)
	return f.err
}

func (f *fakeStore) Record(e store.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, e)
}

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// harness is an Ingest on a fake store behind the contract.
type harness struct {
	*apitest.Client
	store    *fakeStore
	ingest   *Ingest
	handler  http.Handler
	registry *prometheus.Registry
	log      *bytes.Buffer
}

func newHarness(t *testing.T, change func(*Config)) *harness {
	t.Helper()
	h := &harness{
		store:    &fakeStore{windows: map[profile.WindowID]*profile.Window{}},
		registry: prometheus.NewRegistry(),
		log:      &bytes.Buffer{},
	}
	cfg := Config{
		Store: h.store, Limits: DefaultLimits(), Now: func() time.Time { return now },
		Log: slog.New(slog.NewTextHandler(h.log, nil)), Registry: h.registry,
	}
	if change != nil {
		change(&cfg)
	}
	h.ingest = New(cfg)
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	h.ingest.Routes(engine)
	h.handler = engine
	h.Client = apitest.New(t, engine)
	return h
}

// health is what a reader of everything sees.
func (h *harness) health() api.IngestHealth {
	return h.ingest.Health(access.Into(context.Background(), access.Everything()))
}

// window returns a valid window that started some time ago.
func window(ago time.Duration) *profile.Window {
	return profiletest.Window(profiletest.Options{Start: now.Add(-ago).Truncate(time.Minute), Lossy: true})
}

func encode(t testing.TB, w *profile.Window) []byte {
	t.Helper()
	body, err := profile.Encode(w)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func (h *harness) put(t testing.TB, body []byte) (code int, answer []byte) {
	t.Helper()
	w := h.Post(t, "/api/v1/windows", profile.ContentType, body)
	return w.Code, w.Body.Bytes()
}
