package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"

	"github.com/podflame/podflame/backend/internal/query"
	"github.com/podflame/podflame/backend/internal/regressions"
	"github.com/podflame/podflame/backend/internal/server"
	"github.com/podflame/podflame/certs"
	"github.com/prometheus/client_golang/prometheus"
)

// validateDoors refuses what would let in more than it says.
func (c *serveCmd) validateDoors() error {
	d, a := &c.Doors, &c.Access
	if !onlyLocal(d.Listen) {
		switch {
		case d.ListenSidecars == "" || d.ListenOperations == "":
			return fmt.Errorf("--listen=%s is not on loopback, so it serves people only: give sidecars and probes doors of their own with --listen-sidecars and --listen-operations", d.Listen)
		case d.CertDir == "":
			return fmt.Errorf("--listen=%s is not on loopback, so it speaks TLS: give it --cert-dir with tls.crt and tls.key", d.Listen)
		case a.Auth == "none" && !a.Everybody:
			return fmt.Errorf("--listen=%s is not on loopback and --auth=none would show every profile to whoever reaches it: choose --auth=kubernetes or --auth=token, or say --let-everybody-read", d.Listen)
		}
	}
	if d.ListenSidecars != "" && !onlyLocal(d.ListenSidecars) {
		switch {
		case d.CertDir == "":
			return fmt.Errorf("--listen-sidecars=%s is not on loopback, so it speaks TLS: give it --cert-dir with tls.crt and tls.key", d.ListenSidecars)
		case a.WriteAuth == "none":
			return fmt.Errorf("--listen-sidecars=%s is not on loopback and --write-auth=none would let whoever reaches it write for every pod: choose --write-auth=kubernetes", d.ListenSidecars)
		}
	}
	if d.CertPoll <= 0 {
		return fmt.Errorf("--cert-poll=%s is not above 0", d.CertPoll)
	}
	return nil
}

// sites are what the doors serve. A door that is not opened leaves its part to
// the one of people, which is on loopback then.
type sites struct {
	people, sidecars, operations server.Site
	watch                        *regressions.Watch // watch and vitals go on beside requests
	vitals                       *query.Vitals
}

func (d *doorFlags) fold(s sites) sites {
	if d.ListenSidecars == "" {
		s.people.Uploads = s.sidecars.Uploads
	}
	if d.ListenOperations == "" {
		s.people.Operations = s.operations.Operations
	}
	return s
}

// open opens the ports, before anything slow is started.
func (d *doorFlags) open(ctx context.Context, registry prometheus.Registerer, log *slog.Logger) ([]server.Door, *certs.Files, error) {
	files, config := d.certificate(registry, log)
	people, sidecars, operations := server.DefaultLimits(), server.DefaultLimits(), server.DefaultLimits()
	people.Connections, sidecars.Connections, operations.Connections = d.PeopleConnections, d.SidecarConnections, operationsConnections
	people.PerAddress, sidecars.PerAddress, operations.PerAddress = d.PeoplePerAddress, d.SidecarPerAddress, operationsConnections
	people.Streams, sidecars.Streams, operations.Streams = d.Streams, d.Streams, d.Streams
	metrics := server.NewMetrics(registry)
	wanted := []struct {
		name, address string
		tls           *tls.Config
		limits        server.Limits
	}{
		{"people", d.Listen, config, people},
		{"sidecars", d.ListenSidecars, config, sidecars},
		{"operations", d.ListenOperations, nil, operations},
	}
	if onlyLocal(d.Listen) {
		wanted[0].tls = nil
	}
	var open []server.Door
	for _, w := range wanted {
		if w.address == "" {
			continue
		}
		listener, err := server.Listen(ctx, w.address)
		if err != nil {
			closeAll(open)
			return nil, nil, fmt.Errorf("open the door of %s: %w", w.name, err)
		}
		open = append(open, server.Door{Name: w.name, Listener: listener, TLS: w.tls, Limits: w.limits, Metrics: metrics})
	}
	return open, files, nil
}

// operationsConnections are for kubelet and some Prometheus servers.
const operationsConnections = 64

// certificate returns the files of the certificate and how to serve it; nil if
// there is none.
func (d *doorFlags) certificate(registry prometheus.Registerer, log *slog.Logger) (*certs.Files, *tls.Config) {
	if d.CertDir == "" {
		return nil, nil
	}
	files := certs.FilesIn(d.CertDir, d.CertPoll, certs.NewMetrics(registry), log)
	if err := files.Load(); err != nil { // they may come later; until then handshakes fail
		log.Warn("no certificate yet", "error", err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	files.Pair.Configure(config)
	return files, config
}

// furnish gives each door its handler.
func (s sites) furnish(doors []server.Door) error {
	by := map[string]server.Site{"people": s.people, "sidecars": s.sidecars, "operations": s.operations}
	for i := range doors {
		handler, err := by[doors[i].Name].Handler()
		if err != nil {
			return fmt.Errorf("furnish the door of %s: %w", doors[i].Name, err)
		}
		doors[i].Handler = handler
	}
	return nil
}

func closeAll(doors []server.Door) {
	for _, d := range doors {
		_ = d.Close() // the server has closed it already, unless starting failed
	}
}

// onlyLocal says whether an address can be reached from this host only.
func onlyLocal(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}
