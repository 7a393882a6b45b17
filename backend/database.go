package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/embedded"
	"github.com/podflame/podflame/backend/profile"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"golang.org/x/sync/singleflight"
)

// database is the store with what it stands on.
type database struct {
	*store.Store
	mode     string           // embedded or external
	inside   *embedded.Server // nil if external
	migrated atomic.Bool
}

// openStore starts the ClickHouse inside, unless there is an external one, and
// connects.
func (c *serveCmd) openStore(ctx context.Context, registry prometheus.Registerer, log *slog.Logger) (*database, error) {
	db := &database{mode: "external"}
	cfg := c.storeConfig(registry, log)
	if cfg.DSN == "" {
		library, err := findLibrary(c.ClickHouse.Library)
		if err != nil {
			return nil, err
		}
		db.mode = "embedded"
		db.inside, err = embedded.Start(ctx, embedded.Config{
			Dir: c.ClickHouse.DataDir, Library: library,
			ServerMemory: int64(c.ClickHouse.Memory), QueryMemory: int64(c.Query.Memory), Log: log,
		})
		if err != nil {
			return nil, fmt.Errorf("start the ClickHouse inside: %w", err)
		}
		cfg.DSN, cfg.Dial = db.inside.DSN(), db.inside.Dial
		promauto.With(registry).NewCounterFunc(prometheus.CounterOpts{
			Name: "podflame_store_ends_total", Help: "How often the ClickHouse inside has ended by itself and was started again.",
		}, func() float64 { return float64(db.inside.Ends().Count) })
	}
	var err error
	if db.Store, err = store.Open(cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("open store: %w", err), db.stop())
	}
	return db, nil
}

// findLibrary returns the path of libchdb.so, or says how to get it.
func findLibrary(given string) (string, error) {
	places := []string{given}
	if given == "" {
		places = usualPlaces()
	}
	for _, place := range places {
		found, _ := filepath.Glob(place) // the patterns are well-formed
		if len(found) > 0 {
			return found[len(found)-1], nil
		}
	}
	return "", fmt.Errorf("libchdb.so, the ClickHouse inside, is not at %q: get it with \"tests/setup/setup.sh clickhouse\", "+
		"name it with --clickhouse-library, or use a server of yours with --clickhouse DSN", places)
}

func usualPlaces() []string {
	var places []string
	if program, err := os.Executable(); err == nil {
		places = append(places, filepath.Join(filepath.Dir(program), "libchdb.so"))
	}
	places = append(places, "/usr/lib/podflame/libchdb.so")
	cache := os.Getenv("PODFLAME_CACHE")
	if home, err := os.UserHomeDir(); err == nil && cache == "" {
		cache = filepath.Join(home, ".cache", "podflame")
	}
	if cache != "" {
		places = append(places, filepath.Join(cache, "clickhouse-*", "libchdb.so"))
	}
	return places
}

// run creates the tables, as soon as ClickHouse answers, and does the regular
// work of the store until ctx ends.
func (db *database) run(ctx context.Context, log *slog.Logger) error {
	pause := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(migrateFirst), backoff.WithMaxInterval(migrateMost), backoff.WithMaxElapsedTime(0))
	migrate := func() error {
		err := db.Migrate(ctx)
		if err != nil && !store.IsRetryable(err) {
			return backoff.Permanent(err)
		}
		return err
	}
	err := backoff.RetryNotify(migrate, backoff.WithContext(pause, ctx), func(err error, wait time.Duration) {
		log.Warn("tables not created yet", "error", err, "retryIn", wait)
	})
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the backend ends
	}
	if err != nil {
		return fmt.Errorf("create tables: %w", err)
	}
	db.migrated.Store(true)
	log.Info("store is ready", "mode", db.mode)
	if err := db.Run(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("run store: %w", err)
	}
	return nil
}

// readyTimeout is less than a readiness probe waits for.
const readyTimeout = 2500 * time.Millisecond

// ready says whether windows can be stored and queries answered. It pings and
// does not ask for the health of the store, whose sums take longer the more is
// stored: a large store is no reason to turn uploads away. However many ask at
// a time, there is one ping.
func (db *database) ready(ping func(context.Context) error) func(context.Context) error {
	var asking singleflight.Group
	return func(ctx context.Context) error {
		if !db.migrated.Load() {
			return api.Errorf(profile.StoreUnavailable, "the tables have not been created yet").Retry(time.Second)
		}
		answer := asking.DoChan("", func() (any, error) {
			// One who hangs up must not make the store look dead to the others.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyTimeout)
			defer cancel()
			return nil, ping(ctx)
		})
		var err error
		select {
		case a := <-answer:
			err = a.Err
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			return api.Errorf(profile.StoreUnavailable, "ClickHouse does not answer").Because(err).Retry(time.Second)
		}
		return nil
	}
}

// ended says how the ClickHouse inside ended by itself, nil if it did not.
func (db *database) ended() *api.StoreEnded {
	if db.inside == nil {
		return nil
	}
	ends := db.inside.Ends()
	if ends.Count == 0 {
		return nil
	}
	return &api.StoreEnded{Count: ends.Count, Last: ends.Last.UTC(), How: ends.How}
}

const stopTimeout = 15 * time.Second

// stop ends the ClickHouse inside.
func (db *database) stop() error {
	if db.inside == nil {
		return nil
	}
	return stopInside(db.inside)
}

func stopInside(server *embedded.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := server.Stop(ctx); err != nil {
		return fmt.Errorf("stop the ClickHouse inside: %w", err)
	}
	return nil
}

// close ends the connections, then the server at their other end.
func (db *database) close(log *slog.Logger) error {
	err := errors.Join(db.Close(), db.stop())
	log.Info("backend has stopped")
	return err
}
