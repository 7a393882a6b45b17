package query

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gin-gonic/gin"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/access"
	"github.com/podflame/podflame/backend/internal/ingest"
	"github.com/podflame/podflame/backend/internal/injection"
	"github.com/podflame/podflame/backend/internal/regressions"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/storetest"
	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/backend/profile/profiletest"
	"github.com/prometheus/client_golang/prometheus"
)

// mine and theirs are namespaces; the names of all that belongs to theirs hold
// the word hush.
const (
	mine   = "shop"
	theirs = "hush-bank"
)

// reach is a query on a strict store, as a reader of a scope sees it.
type reach struct {
	handler http.Handler
	from    time.Time
	to      time.Time
}

func newReach(t *testing.T) *reach {
	t.Helper()
	const patience = 5 * time.Minute // a slow machine is not what is tested
	db := storetest.Open(t, func(c *store.Config) {
		c.Unscoped, c.Limits.QueryTimeout, c.Limits.InsertTimeout = false, patience, patience
	})
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	in := ingest.New(ingest.Config{Store: db, Limits: ingest.DefaultLimits(), Log: log})
	limits := DefaultLimits()
	limits.Timeout = patience
	q := New(Config{Catalog: db, Samples: db, Prober: db, Uploads: in, Mode: "embedded", Limits: limits, Log: log})
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	in.Routes(engine)
	q.Routes(engine)
	regressions.New(regressions.Config{Catalog: db, Comparer: q, Limits: regressions.DefaultLimits(), Log: log, Registry: prometheus.NewRegistry()}).Routes(engine)
	injection.New(injection.Config{URL: auditOfBoth(t), Limits: injection.DefaultLimits(), Log: log, Registry: prometheus.NewRegistry()}).Routes(engine)
	r := &reach{handler: engine, to: time.Now().UTC().Truncate(time.Minute)}
	r.from = r.to.Add(-time.Hour)
	for i, target := range []profile.Target{targetOf(mine, "checkout"), targetOf(theirs, "checkout"), targetOf(theirs, "hush-vault")} {
		w := profiletest.Window(profiletest.Options{Seed: uint64(i), Start: r.to.Add(-10 * time.Minute), Target: target, Stacks: 40, Lossy: true})
		if target.Namespace == theirs {
			for s := range w.Sets {
				for f := range w.Sets[s].Functions {
					w.Sets[s].Functions[f].Name = "hush." + w.Sets[s].Functions[f].Name
				}
			}
		}
		body, err := profile.Encode(w)
		if err != nil {
			t.Fatal(err)
		}
		r.upload(t, "/api/v1/windows", profile.ContentType, body, http.StatusOK)
		report := &profile.Report{Instance: "i", Version: "1", ReportedAt: r.to, Targets: []profile.TargetReport{
			{Identity: target, State: profile.TargetState{State: profile.StateConflict, Reason: profile.Conflict, Since: r.to}},
		}}
		if body, err = profile.EncodeReport(report); err != nil {
			t.Fatal(err)
		}
		r.upload(t, "/api/v1/targets", "application/json", body, http.StatusNoContent)
	}
	return r
}

// auditOfBoth is a webhook that misses a pod of each namespace.
func auditOfBoth(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"findings": []map[string]string{
			{"namespace": mine, "pod": "checkout-2", "service": "checkout", "reason": "missed_by_webhook"},
			{"namespace": theirs, "pod": "hush-pod-2", "service": "checkout", "reason": "missed_by_webhook"},
		}})
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func targetOf(namespace, service string) profile.Target {
	target := profiletest.Target(service, service+"-1")
	target.Namespace, target.PodUID = namespace, "uid-"+namespace+service
	if namespace == theirs {
		target.Pod, target.MainClass, target.Version, target.Node = "hush-pod", "hush.Main", "hush-v1", "hush-node"
	}
	return target
}

func (r *reach) upload(t *testing.T, path, contentType string, body []byte, want int) {
	t.Helper()
	request := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	request.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, request)
	if w.Code != want {
		t.Fatalf("upload to %s: %d %s", path, w.Code, w.Body)
	}
}

func (r *reach) get(ctx context.Context, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil).WithContext(ctx))
	return w
}

// routes are all reads of the contract, each asked for a service of a namespace.
func (r *reach) routes(t *testing.T, namespace, service string) []string {
	t.Helper()
	document, err := openapi3.NewLoader().LoadFromData(api.Document)
	if err != nil {
		t.Fatal(err)
	}
	target := targetOf(namespace, service)
	values := map[string]string{
		"cluster": target.Cluster, "namespace": namespace, "service": service, "type": "cpu",
		"from": fmt.Sprint(r.from.Unix()), "to": fmt.Sprint(r.to.Unix()),
		"function": "java.lang.Thread.run", "format": "collapsed",
	}
	var paths []string
	for path, item := range document.Paths.Map() {
		if item.Get == nil || path == "/api/v1/session" { // which package auth has
			continue
		}
		all, least := url.Values{}, url.Values{}
		for _, p := range item.Get.Parameters {
			name := p.Value.Name
			value, known := valueOf(values, name)
			if !known && p.Value.Required {
				t.Fatalf("%s needs the parameter %s: give it a value in this test", path, name)
			}
			if known {
				all.Set(name, value)
			}
			if p.Value.Required {
				least.Set(name, value)
			}
		}
		paths = append(paths, path+"?"+all.Encode(), path+"?"+least.Encode())
	}
	return paths
}

// valueOf finds the value of a parameter, also of one for the other side of a
// comparison (baseFrom, base_from).
func valueOf(values map[string]string, name string) (string, bool) {
	lower := strings.ToLower(name)
	for known, value := range values {
		if lower == known || strings.HasSuffix(lower, known) && strings.HasPrefix(lower, "base") {
			return value, true
		}
	}
	return "", false
}

// A reader of one namespace learns nothing of another by any route of the
// contract, asked in any way; who may see both learns of both.
func TestNoRouteShowsAnotherNamespace(t *testing.T) {
	r := newReach(t)
	narrow := access.Into(t.Context(), access.Of(mine))
	wide := access.Into(t.Context(), access.Everything())
	shown := 0
	for _, namespace := range []string{mine, theirs} {
		for _, service := range []string{"checkout", "hush-vault"} {
			for _, path := range r.routes(t, namespace, service) {
				w := r.get(narrow, path)
				// An error repeats what was asked for; nothing else may be in it.
				body := w.Body.String()
				if w.Code >= 400 {
					body = strings.NewReplacer("no service hush-vault", "", "in namespace hush-bank", "", `\"hush-vault\"`, "", `\"hush-bank\"`, "").Replace(body)
				}
				if w.Code >= 500 || strings.Contains(body, "hush") {
					t.Errorf("a reader of %s is answered to %s: %d %.1000s", mine, path, w.Code, w.Body)
				}
				if namespace == theirs && w.Code == 200 && strings.Contains(path, "namespace=") && strings.Contains(body, `"count":1`) {
					t.Errorf("numbers of another namespace by %s: %.1000s", path, body)
				}
				if strings.Contains(r.get(wide, path).Body.String(), "hush") {
					shown++
				}
			}
		}
	}
	if shown < 8 {
		t.Errorf("only %d answers to a reader of everything hold the word that is looked for", shown)
	}
}

// Without a scope nothing is answered, by no route that reads the store.
func TestNoRouteAnswersWithoutAScope(t *testing.T) {
	r := newReach(t)
	for _, path := range r.routes(t, mine, "checkout") {
		if strings.HasPrefix(path, "/api/v1/reasons") {
			continue // words of this version
		}
		w := r.get(t.Context(), path)
		if strings.HasPrefix(path, "/api/v1/ingest/health") {
			if body := w.Body.String(); !strings.Contains(body, `"accepted":0`) {
				t.Errorf("health: %s", body)
			}
			continue
		}
		if w.Code != http.StatusInternalServerError && w.Code != http.StatusBadRequest { // 400: parameters are missing
			t.Errorf("%s is answered %d %.300s", path, w.Code, w.Body)
		}
	}
}
