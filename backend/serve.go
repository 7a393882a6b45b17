package main

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"time"

	"github.com/podflame/podflame/backend/internal/ingest"
	"github.com/podflame/podflame/backend/internal/query"
	"github.com/podflame/podflame/backend/internal/server"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/web"
	"github.com/podflame/podflame/certs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"
)

// Run serves until the context ends. Then it stops in the order in which things
// depend on each other: no new requests, those in progress, the store, the
// ClickHouse inside.
func (c *serveCmd) Run(ctx context.Context, log *slog.Logger) (err error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	endpoints, files, err := c.endpoints(ctx, registry, log)
	if err != nil {
		return err
	}
	defer closeAll(endpoints)
	auth, err := c.auth(log)
	if err != nil {
		return err
	}
	db, err := c.openStore(ctx, registry, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.close(log)) }()

	in := ingest.New(ingest.Config{Store: db, Auth: auth, Limits: c.ingestLimits(), Log: log, Registry: registry})
	read := query.New(query.Config{
		Catalog: db, Samples: db, Prober: db, Uploads: in, Mode: db.mode, Limits: c.queryLimits(), Log: log, Registry: registry,
	})
	ui, err := web.New()
	if err != nil {
		return err
	}
	site := server.Site{API: []server.Routes{in, read}, UI: ui, Ready: db.ready(db.Ping), Log: log, Registry: registry}
	handler, err := site.Handler()
	if err != nil {
		return err
	}
	limits := server.DefaultLimits()
	limits.DrainTimeout = c.Listen.DrainTimeout

	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	g, serving := errgroup.WithContext(ctx)
	g.Go(func() error { // the store goes on until the last request is answered
		return db.run(background, log)
	})
	if files != nil {
		g.Go(func() error { return files.Run(serving) })
	}
	g.Go(func() error {
		defer stop()
		for _, e := range endpoints {
			log.Info("backend serves", "address", e.Addr().String(), "tls", e.TLS != nil, "store", db.mode, "version", version)
		}
		return server.Serve(serving, handler, limits, log, endpoints...)
	})
	return g.Wait()
}

// endpoints opens the ports, before anything slow is started.
func (c *serveCmd) endpoints(ctx context.Context, registry prometheus.Registerer, log *slog.Logger) ([]server.Endpoint, *certs.Files, error) {
	var files *certs.Files
	var config *tls.Config
	if c.Listen.CertDir != "" {
		files = certs.FilesIn(c.Listen.CertDir, 0, certs.NewMetrics(registry), log)
		if err := files.Load(); err != nil { // they may come later; until then handshakes fail
			log.Warn("no certificate yet", "error", err)
		}
		config = &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
		files.Pair.Configure(config)
	}
	wanted := []struct {
		address string
		tls     *tls.Config
	}{{c.Listen.Listen, config}}
	if c.Listen.ListenTLS != "" {
		wanted[0].tls = nil
		wanted = append(wanted, wanted[0])
		wanted[1].address, wanted[1].tls = c.Listen.ListenTLS, config
	}
	var open []server.Endpoint
	for _, w := range wanted {
		listener, err := server.Listen(ctx, w.address)
		if err != nil {
			closeAll(open)
			return nil, nil, err
		}
		open = append(open, server.Endpoint{Listener: listener, TLS: w.tls})
	}
	return open, files, nil
}

func closeAll(endpoints []server.Endpoint) {
	for _, e := range endpoints {
		_ = e.Close() // the server has closed it already, unless starting failed
	}
}

func (c *serveCmd) auth(log *slog.Logger) (*ingest.TokenFile, error) {
	if c.Listen.TokenFile != "" {
		return ingest.NewTokenFile(c.Listen.TokenFile)
	}
	if !onlyLocal(c.Listen.Listen) || c.Listen.ListenTLS != "" {
		log.Warn("everybody who reaches this port may write; set --token-file", "address", c.Listen.Listen)
	}
	return nil, nil
}

const (
	migrateFirst = 250 * time.Millisecond // pause after the first failed attempt; doubles
	migrateMost  = 10 * time.Second
)

// storeConfig is what both kinds of ClickHouse have in common.
func (c *serveCmd) storeConfig(registry prometheus.Registerer, log *slog.Logger) store.Config {
	return store.Config{
		DSN: c.ClickHouse.ClickHouse, RetentionDays: c.ClickHouse.RetentionDays,
		Limits: c.storeLimits(), Log: log, Registry: registry,
	}
}
