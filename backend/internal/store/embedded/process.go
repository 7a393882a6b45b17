package embedded

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// child is one process of the server.
type child struct {
	cmd     *exec.Cmd
	stdin   io.WriteCloser // open for as long as the server shall run
	native  int            // port
	http    int            // port
	output  *lineLog
	started time.Time
	done    chan struct{} // closed when the process has been waited for
	err     error         // of the process; read after done
}

// startChild starts a process on free ports and waits until it answers.
func (s *Server) startChild(ctx context.Context) (*child, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.StartTimeout)
	defer cancel()
	c, err := s.spawn()
	if err != nil {
		return nil, fmt.Errorf("start embedded ClickHouse in %s: %w", s.cfg.Dir, err)
	}
	if err := c.waitReady(ctx); err != nil {
		c.kill()
		<-c.done
		return nil, fmt.Errorf("start embedded ClickHouse in %s: %w", s.cfg.Dir, err)
	}
	s.cfg.Log.Info("embedded ClickHouse answers", "pid", c.cmd.Process.Pid, "after", time.Since(c.started).Round(time.Millisecond))
	return c, nil
}

func (s *Server) spawn() (*child, error) {
	c := &child{done: make(chan struct{}), output: newLineLog(s.cfg.Log), started: time.Now()}
	var err error
	if c.native, c.http, err = freePorts(); err != nil {
		return nil, err
	}
	// Of the last run; the system database keeps its tables in memory only, and
	// what is left on disk keeps it from making them anew.
	if err := os.RemoveAll(filepath.Join(s.cfg.Dir, "clickhouse", "data", "system")); err != nil {
		return nil, err
	}
	args, err := s.writeConfig(c.native, c.http)
	if err != nil {
		return nil, err
	}
	if err := c.run(s.cfg, args); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *child) run(cfg Config, args []string) error {
	spec, err := json.Marshal(childSpec{Library: cfg.Library, Args: args})
	if err != nil {
		return err
	}
	program := cfg.Executable
	if program == "" {
		if program, err = os.Executable(); err != nil {
			return err
		}
	}
	c.cmd = exec.Command(program)
	c.cmd.Env = append(os.Environ(), childEnv+"="+string(spec))
	c.cmd.Dir = cfg.Dir
	c.cmd.Stderr = c.output                                 // standard output is that of the prompt
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the parent
	c.cmd.WaitDelay = time.Second
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return err
	}
	if err := c.cmd.Start(); err != nil {
		return err
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.done)
	}()
	return nil
}

func (c *child) waitReady(ctx context.Context) error {
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		if c.ping(ctx) == nil {
			return nil
		}
		select {
		case <-c.done:
			return fmt.Errorf("it ended at once (%s): %s", c.exit(), c.output.tail())
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w; its last output: %s", ctx.Err(), c.output.tail())
		case <-tick.C:
		}
	}
}

// ping asks over HTTP, which needs no password.
func (c *child) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address(c.http)+"/ping", nil)
	if err != nil {
		return err
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("ping embedded ClickHouse: %s", response.Status)
	}
	return nil
}

// stop ends the process by closing its standard input, then by signals.
func (c *child) stop(timeout time.Duration) {
	_ = c.stdin.Close()
	if c.waitFor(timeout) {
		return
	}
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	if c.waitFor(time.Second) {
		return
	}
	c.kill()
	<-c.done
}

func (c *child) waitFor(d time.Duration) bool {
	select {
	case <-c.done:
		return true
	case <-time.After(d):
		return false
	}
}

func (c *child) kill() { _ = c.cmd.Process.Kill() }

func (c *child) nativeAddress() string { return address(c.native) }

// exit says how the process ended.
func (c *child) exit() string {
	select {
	case <-c.done:
	default:
		return "still running"
	}
	if c.err != nil {
		return c.err.Error()
	}
	return "exit status 0"
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// freePorts returns two ports that were free a moment ago. If one is taken in
// between, the child ends and the next start takes others.
func freePorts() (native, http int, err error) {
	a, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = a.Close() }()
	b, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = b.Close() }()
	return a.Addr().(*net.TCPAddr).Port, b.Addr().(*net.TCPAddr).Port, nil
}

// oneLine makes output fit a log attribute.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
