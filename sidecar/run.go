package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/agent"
	"github.com/podflame/podflame/sidecar/internal/push"
	"github.com/podflame/podflame/sidecar/internal/spool"
	"github.com/podflame/podflame/sidecar/internal/target"
)

// Run profiles until ctx ends, then makes and uploads the last windows.
func (c *RunCmd) Run(ctx context.Context) error {
	if err := c.resolve(); err != nil {
		return err
	}
	config, err := c.agentConfig()
	if err != nil {
		return err
	}
	procs, err := target.NewFinder("/proc")
	if err != nil {
		return err
	}
	if err := c.checkChosen(ctx, procs, os.Stderr); err != nil {
		return err
	}
	log, reg := c.logger(), prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	queue, err := spool.Open(filepath.Join(config.State, "spool"), c.spoolLimits(), log, reg)
	if err != nil {
		return err
	}
	profiler, err := agent.New(config, procs, queue, c.decoder(), log, reg)
	if err != nil {
		return err
	}
	uploads, err := c.uploads(queue, profiler, config.Settings.Window, log, reg)
	if err != nil {
		return err
	}
	log.Info("sidecar runs", "version", version, "window", config.Settings.Window, "events", strings.Join(config.Settings.Events, ","), "backend", c.Backend)
	return serve(ctx, c.Listen, reg, profiler, func(ctx context.Context) error {
		err := uploads.during(ctx, c.UploadGrace, profiler.Run)
		tellRest(log, queue.Stats())
		return err
	})
}

// tellRest says what is left when the sidecar ends: lost if its pod ends, too,
// uploaded if it is started again.
func tellRest(log *slog.Logger, left spool.Stats) {
	if left.Windows > 0 {
		log.Warn("windows were not uploaded", "reason", profile.BackendUnreached,
			"windows", left.Windows, "bytes", left.Bytes, "oldest", left.Oldest.Round(time.Second))
	}
}

// uploads is what takes windows out of the spool. Its fields are nil without a
// backend.
type uploads struct {
	pusher   *push.Pusher
	reporter *push.Reporter
}

func (c *RunCmd) uploads(queue *spool.Spool, a *agent.Agent, window time.Duration, log *slog.Logger, reg prometheus.Registerer) (uploads, error) {
	if c.Backend == "" {
		log.Warn("no backend is given, windows wait in the spool", "reason", profile.BackendUnreached)
		return uploads{}, nil
	}
	client, err := push.NewClient(c.pushConfig())
	if err != nil {
		return uploads{}, err
	}
	pusher := push.NewPusher(queue, client, c.pushConfig(), log, reg)
	source := func() profile.Report {
		r := a.Report()
		r.Version = version
		return r
	}
	obey := func(answer profile.ReportAnswer) {
		if answer.Paused == "" {
			a.Pause(nil)
			return
		}
		a.Pause(&answer.Paused)
	}
	reporter := &push.Reporter{To: client, Source: source, Obey: obey, Spool: queue, Pusher: pusher, Interval: min(window, reportInterval), Log: log}
	return uploads{pusher, reporter}, nil
}

const reportInterval = 15 * time.Second

// during uploads while work runs, and then, for at most grace, what it left.
func (u uploads) during(ctx context.Context, grace time.Duration, work func(context.Context) error) error {
	if u.pusher == nil {
		return work(ctx)
	}
	uploading, stop := context.WithCancel(context.WithoutCancel(ctx))
	var group errgroup.Group
	group.Go(func() error { u.pusher.Run(uploading); return nil })
	group.Go(func() error { u.reporter.Run(uploading); return nil })
	err := work(ctx)
	stop()
	_ = group.Wait()

	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	u.reporter.Once(last) // should the windows take too long
	u.pusher.Drain(last)
	u.reporter.Once(last) // with what is left in the spool
	return err
}

// serve offers metrics while work runs.
func serve(ctx context.Context, address string, reg *prometheus.Registry, a *agent.Agent, work func(context.Context) error) error {
	if address == "" {
		return work(ctx)
	}
	listener, err := listen(ctx, address)
	if err != nil {
		return fmt.Errorf("listen on %s: %w; set --listen", address, err)
	}
	server := &http.Server{Handler: routes(reg, a), ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	err = work(ctx)
	return errors.Join(err, server.Close(), ignoreClosed(<-failed))
}

const unixPrefix = "unix:"

// listen opens a TCP port or a socket in a directory of ours. A socket that an
// earlier sidecar has left there is replaced.
func listen(ctx context.Context, address string) (net.Listener, error) {
	var config net.ListenConfig
	path, isPath := strings.CutPrefix(address, unixPrefix)
	if !isPath {
		return config.Listen(ctx, "tcp", address)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == os.ModeSocket {
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	return config.Listen(ctx, "unix", path)
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func routes(reg *prometheus.Registry, a *agent.Agent) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		if !a.Alive() {
			http.Error(w, "the agent does not look for JVMs any more", http.StatusServiceUnavailable)
		}
	})
	return mux
}
