// Package stack starts the parts of Podflame as processes of this host: the
// backend with embedded ClickHouse, the demo shop with its load, and a sidecar
// in local mode. The demo and the end-to-end tests are built on it. Nothing
// that it started outlives Stop.
package stack

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// Paths are the built programs and where they work.
type Paths struct {
	Build string // directory with the programs backend and sidecar
	Work  string // scratch directory; logs and data go here
	Java  string // directory with the sources of the shop
}

// Backend is a running backend.
type Backend struct {
	*Process
	URL string
}

// StartBackend starts a backend with embedded ClickHouse on a loopback address
// and waits until it is ready.
func StartBackend(ctx context.Context, p Paths, listen string, extra ...string) (*Backend, error) {
	args := append([]string{"--listen", listen, "--data-dir", filepath.Join(p.Work, "data")}, extra...)
	process, err := Start(filepath.Join(p.Build, "backend"), args, filepath.Join(p.Work, "backend.log"))
	if err != nil {
		return nil, err
	}
	b := &Backend{Process: process, URL: "http://" + listen}
	if err := WaitHTTP(ctx, process, b.URL+"/readyz"); err != nil {
		process.Stop()
		return nil, fmt.Errorf("backend is not ready: %w", err)
	}
	return b, nil
}

// StartSidecar starts a sidecar that profiles one JVM of this host.
func StartSidecar(p Paths, backend string, pid int, window time.Duration, service string, extra ...string) (*Process, error) {
	args := append([]string{
		"run", "--local", "--exit-grace", "30s", "--upload-grace", "15s", "--pid", fmt.Sprint(pid), "--backend", backend, "--window", window.String(),
		"--service", service, "--namespace", "demo",
		"--shared-dir", filepath.Join(p.Work, "shared"), "--state-dir", filepath.Join(p.Work, "state"),
	}, extra...)
	return Start(filepath.Join(p.Build, "sidecar"), args, filepath.Join(p.Work, "sidecar.log"))
}

// WaitHTTP polls url until it answers 200, the process ends or ctx does.
func WaitHTTP(ctx context.Context, process *Process, url string) error {
	last := fmt.Errorf("no attempt at %s", url)
	return Poll(ctx, 100*time.Millisecond, func() (bool, error) {
		if process.Exited() {
			return false, fmt.Errorf("%s has exited; its log ends:\n%s", process.Name(), process.LogTail())
		}
		last = get(ctx, url)
		return last == nil, nil
	}, func() error {
		return fmt.Errorf("%w; the log of %s ends:\n%s", last, process.Name(), process.LogTail())
	})
}

func get(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20)); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, res.Status)
	}
	return nil
}

// Poll calls done at each interval until it reports true or an error. When ctx
// ends first, the error says what was last seen.
func Poll(ctx context.Context, interval time.Duration, done func() (bool, error), seen func() error) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), seen())
		case <-tick.C:
		}
	}
}

// tail returns the last n bytes of a file.
func tail(path string, n int64) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err == nil && info.Size() > n {
		_, _ = f.Seek(-n, io.SeekEnd)
	}
	data, err := io.ReadAll(io.LimitReader(f, n))
	if err != nil {
		return err.Error()
	}
	return string(data)
}
