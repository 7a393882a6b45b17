package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/auth"
	"github.com/podflame/podflame/backend/internal/ingest"
	"github.com/podflame/podflame/backend/internal/injection"
	"github.com/podflame/podflame/backend/internal/mcp"
	"github.com/podflame/podflame/backend/internal/pyroscope"
	"github.com/podflame/podflame/backend/internal/query"
	"github.com/podflame/podflame/backend/internal/regressions"
	"github.com/podflame/podflame/backend/internal/server"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/web"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"
)

// garbage is how much there may be before it is collected, in percent of what is in use.
// Uploads leave a lot of it. The limit of memory comes before it.
const garbage = 200

// Run serves until the context ends. Then it stops in the order in which things
// depend on each other: no new requests, those in progress, the store, the
// ClickHouse inside.
func (c *serveCmd) Run(ctx context.Context, log *slog.Logger) (err error) {
	if _, set := os.LookupEnv("GOMEMLIMIT"); !set {
		debug.SetMemoryLimit(int64(c.Memory)) // beyond it the garbage collector works harder
	}
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(garbage)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	doors, files, err := c.Doors.open(ctx, registry, log)
	if err != nil {
		return err
	}
	defer closeAll(doors)
	var db *database
	namespaces := func(ctx context.Context) ([]string, bool, error) { return db.Namespaces(ctx) }
	gates, err := c.Access.gates(namespaces, registry, log)
	if err != nil {
		return err
	}
	if db, err = c.openStore(ctx, registry, log); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.close(log)) }()
	sites, err := c.sites(db, gates, registry, log)
	if err != nil {
		return err
	}
	if err := c.Doors.fold(sites).furnish(doors); err != nil {
		return err
	}

	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	g, serving := errgroup.WithContext(ctx)
	g.Go(func() error { // the store goes on until the last request is answered
		return db.run(background, log)
	})
	g.Go(func() error { return sites.vitals.Run(serving) })
	if c.Query.Regressions > 0 {
		g.Go(func() error { return sites.watch.Run(serving) })
	}
	if files != nil {
		g.Go(func() error { return files.Run(serving) })
	}
	g.Go(func() error {
		defer stop()
		for _, d := range doors {
			log.Info("backend serves", "door", d.Name, "address", d.Addr().String(), "tls", d.TLS != nil, "store", db.mode, "version", version)
		}
		return server.Serve(serving, c.Doors.DrainTimeout, log, doors...)
	})
	return g.Wait()
}

// sites are what each kind of caller is served.
func (c *serveCmd) sites(db *database, g gates, registry *prometheus.Registry, log *slog.Logger) (sites, error) {
	pauses, err := ingest.NewPauses(c.Ingest.PausedFile)
	if err != nil {
		return sites{}, err
	}
	in := ingest.New(ingest.Config{Store: db, Senders: g.senders, Pauses: pauses, Limits: c.ingestLimits(), Log: log, Registry: registry})
	read := query.New(query.Config{
		Catalog: db, Samples: db, Prober: db, Uploads: in, Mode: db.mode, Ended: db.ended, OTLP: c.Query.OTLP == query.OTLPVersion,
		Price: api.Price{PerCoreHour: c.Query.Price, Currency: c.Query.Currency}, Limits: c.queryLimits(), Log: log, Registry: registry,
	})
	audit := injection.New(injection.Config{URL: c.Query.WebhookAudit, Limits: injection.DefaultLimits(), Log: log, Registry: registry})
	watch := regressions.New(regressions.Config{Catalog: db, Comparer: read, Limits: c.regressionLimits(), Log: log, Registry: registry})
	ui, err := web.New()
	if err != nil {
		return sites{}, err
	}
	panics := server.NewPanics(registry)
	return sites{
		people: server.Site{
			Sessions: auth.NewSessions(g.people), Guarded: server.Parts{read, watch, audit}, Guard: g.people.Guard, Protect: g.people.Protect, UI: ui, Log: log, Panics: panics,
			Assistants: func(api http.Handler) http.Handler { return mcp.Handler(api, version, time.Now) },
			Foreign: func(api http.Handler) server.Routes {
				return pyroscope.New(pyroscope.Config{API: api, Registry: registry})
			},
		},
		sidecars:   server.Site{Uploads: in, Log: log, Panics: panics},
		watch:      watch,
		vitals:     query.NewVitals(read, registry),
		operations: server.Site{Operations: &server.Operations{Ready: db.ready(db.Ping), Registry: registry}, Log: log, Panics: panics},
	}, nil
}

const (
	migrateFirst = 250 * time.Millisecond // pause after the first failed attempt; doubles
	migrateMost  = 10 * time.Second
)

// storeConfig is what both kinds of ClickHouse have in common.
func (c *serveCmd) storeConfig(registry prometheus.Registerer, log *slog.Logger) store.Config {
	return store.Config{
		DSN: c.ClickHouse.ClickHouse, Cluster: c.ClickHouse.Cluster, RetentionDays: c.ClickHouse.RetentionDays,
		RetentionBytes: uint64(c.ClickHouse.RetentionBytes), LowDisk: uint64(c.ClickHouse.LowDisk),
		Limits: c.storeLimits(), Log: log, Registry: registry,
	}
}
