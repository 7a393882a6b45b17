package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// MetricsCmd prints the metrics of a running sidecar, whose image holds no other
// HTTP client: kubectl exec POD -c podflame -- /usr/local/bin/sidecar metrics.
type MetricsCmd struct {
	Listen string `env:"PODFLAME_METRICS" default:"unix:${socket}" help:"Where the sidecar serves them: host:port, or unix:PATH."`
}

// metricsTimeout and maxMetrics bound one answer.
const (
	metricsTimeout = 10 * time.Second
	maxMetrics     = 4 << 20
)

// Run prints what the sidecar answers.
func (c *MetricsCmd) Run(ctx context.Context) error {
	var dialer net.Dialer
	client := &http.Client{Timeout: metricsTimeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			if path, ok := strings.CutPrefix(c.Listen, unixPrefix); ok {
				return dialer.DialContext(ctx, "unix", path)
			}
			return dialer.DialContext(ctx, "tcp", c.Listen)
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://sidecar/metrics", nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("ask the sidecar at %s: %w; set --listen as the sidecar has it", c.Listen, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the sidecar at %s answers %s", c.Listen, response.Status)
	}
	_, err = io.Copy(os.Stdout, io.LimitReader(response.Body, maxMetrics))
	return err
}
