package stack

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Shop is the running demo service.
type Shop struct {
	*Process
	URL string
}

// StartShop compiles the shop, starts it and waits until it listens.
func StartShop(ctx context.Context, p Paths, javaOptions ...string) (*Shop, error) {
	classes := filepath.Join(p.Work, "classes")
	sources, err := filepath.Glob(filepath.Join(p.Java, "shop", "*.java"))
	if err != nil || len(sources) == 0 {
		return nil, fmt.Errorf("find the shop's sources in %s: none (%w)", p.Java, err)
	}
	compile := exec.CommandContext(ctx, "javac", append([]string{"-d", classes}, sources...)...)
	if out, err := compile.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("compile the shop: %w\n%s", err, out)
	}
	log := filepath.Join(p.Work, "shop.log")
	stderr, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log of the shop: %w", err)
	}
	defer func() { _ = stderr.Close() }()
	cmd := exec.Command("java", append(javaOptions, "-Xmx256m", "-cp", classes, "shop.Shop")...) //nolint:noctx // ends by Stop
	cmd.Stderr = stderr
	stdout, stdin, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	cmd.Stdout = stdin
	process, err := start(cmd, log)
	_ = stdin.Close()
	if err != nil {
		_ = stdout.Close()
		return nil, err
	}
	line, err := readPort(ctx, stdout)
	if err != nil {
		process.Kill()
		return nil, fmt.Errorf("read the shop's port: %w; its log ends:\n%s", err, process.LogTail())
	}
	return &Shop{Process: process, URL: "http://127.0.0.1:" + line}, nil
}

// readPort reads the one line that the shop prints.
func readPort(ctx context.Context, stdout *os.File) (string, error) {
	if deadline, ok := ctx.Deadline(); ok {
		_ = stdout.SetReadDeadline(deadline)
	}
	defer func() { _ = stdout.Close() }()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimSpace(line)
	if _, err := strconv.ParseUint(line, 10, 16); err != nil {
		return "", fmt.Errorf("first line %q is no port", line)
	}
	return line, nil
}

const (
	reserveClients = 6
	requestTimeout = 10 * time.Second
)

// Load calls the shop until ctx ends: checkouts at a fixed rate for CPU time
// (some 5 ms each) and allocation (1.25 MiB each), and reservations back to
// back by several clients, so that they wait for each other.
func (s *Shop) Load(ctx context.Context, checkoutsPerSecond int) {
	client := &http.Client{Timeout: requestTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: reserveClients + 2}}
	defer client.CloseIdleConnections()
	var wg sync.WaitGroup
	wg.Go(func() { s.checkouts(ctx, client, time.Second/time.Duration(checkoutsPerSecond)) })
	for range reserveClients {
		wg.Go(func() { s.reservations(ctx, client) })
	}
	wg.Wait()
}

func (s *Shop) checkouts(ctx context.Context, client *http.Client, interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.call(ctx, client, "/checkout")
		}
	}
}

func (s *Shop) reservations(ctx context.Context, client *http.Client) {
	for ctx.Err() == nil {
		if !s.call(ctx, client, "/reserve") {
			select { // the shop is gone or busy: do not spin
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
}

func (s *Shop) call(ctx context.Context, client *http.Client, path string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path, nil)
	if err != nil {
		return false
	}
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	return res.Body.Close() == nil && res.StatusCode == http.StatusOK
}
