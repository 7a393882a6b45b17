// Package embedded runs a ClickHouse server inside the backend's own container:
// a supervised child process that loads libchdb and listens on loopback only.
//
// The backend's binary re-executes itself; its main calls RunChild first and
// returns if that was the child. The child ends when its parent does, however
// that ends: it reads its standard input, and the parent holds the other end.
//
// The supervisor starts the server again when it ends, and remembers how it ended
// (see Ends). Each start takes new ports, so clients come through Dial.
package embedded

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Config says how to run the server. Zero fields other than Dir and Library get
// the defaults of DefaultConfig.
type Config struct {
	Dir          string        // where data lives; created if missing
	Library      string        // path of libchdb.so
	ServerMemory int64         // bytes that the server may use; its peak RSS is up to 1.7 times that and 200 MB
	QueryMemory  int64         // bytes that a query may use
	MaxQueries   int           // at the same time
	StartTimeout time.Duration // until it answers
	StopTimeout  time.Duration // until it is killed
	HangTimeout  time.Duration // without an answer, until it is killed and started again
	More         string        // elements of the server's configuration besides ours, as XML
	Log          *slog.Logger  // nil discards
	Executable   string        // to re-execute; empty means this program
}

// DefaultConfig returns the limits of the design.
func DefaultConfig() Config {
	return Config{
		ServerMemory: 700_000_000,
		QueryMemory:  250_000_000,
		MaxQueries:   32,
		StartTimeout: 60 * time.Second,
		StopTimeout:  10 * time.Second,
		HangTimeout:  60 * time.Second,
		Log:          slog.New(slog.DiscardHandler),
	}
}

// ErrNotReady is what Dial returns while the server is starting or restarting.
var ErrNotReady = errors.New("embedded ClickHouse is not ready")

// ErrInUse is what Start returns if another process runs a server on Config.Dir.
var ErrInUse = errors.New("another process runs ClickHouse in this directory")

// Server is a running, supervised server. It is safe for concurrent use.
type Server struct {
	cfg      Config
	password string
	lock     *os.File
	child    atomic.Pointer[child] // nil while there is none that answers
	ends     atomic.Pointer[Ends]
	cancel   context.CancelFunc
	stopped  chan struct{} // closed when the supervisor has ended
	stopOnce sync.Once
}

// Start starts the server, waits until it answers and supervises it until Stop.
// The context bounds the start only.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	cfg = withDefaults(cfg)
	if err := checkLibrary(cfg.Library); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("find the directory of embedded ClickHouse %q: %w", cfg.Dir, err)
	}
	cfg.Dir = dir
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, password: rand.Text(), lock: lock, stopped: make(chan struct{})}
	s.ends.Store(&Ends{})
	first, err := s.startChild(ctx)
	if err != nil {
		_ = lock.Close()
		return nil, err
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	s.child.Store(first)
	go s.supervise(run, first)
	return s, nil
}

// DSN is for the DSN of the store's configuration. The address in it means
// nothing: Dial replaces it.
func (s *Server) DSN() string {
	return fmt.Sprintf("clickhouse://%s:%s@embedded:9000", userName, s.password)
}

// Address is where the server listens now, for tests; empty if it does not.
func (s *Server) Address() string {
	if c := s.child.Load(); c != nil {
		return c.nativeAddress()
	}
	return ""
}

// PID is the process id of the server, 0 if there is none that answers.
func (s *Server) PID() int {
	if c := s.child.Load(); c != nil {
		return c.cmd.Process.Pid
	}
	return 0
}

// Ends are the ends of the server that nobody asked for.
type Ends struct {
	Count int64
	Last  time.Time // zero if there was none
	How   string    // the last: "signal: aborted"; what it printed is in the log alone, as it may name what is stored
}

// Ends says how often the server has ended by itself since Start.
func (s *Server) Ends() Ends { return *s.ends.Load() }

// Dial is for the Dial of the store's configuration: it connects to the
// server's current port, whatever the address.
func (s *Server) Dial(ctx context.Context, _ string) (net.Conn, error) {
	c := s.child.Load()
	if c == nil {
		return nil, ErrNotReady
	}
	var dialer net.Dialer
	return dialer.DialContext(ctx, "tcp", c.nativeAddress())
}

// Stop ends the server and waits for it. It may be called more than once.
func (s *Server) Stop(ctx context.Context) error {
	s.stopOnce.Do(s.cancel)
	select {
	case <-s.stopped:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop embedded ClickHouse: %w", ctx.Err())
	}
}

func withDefaults(cfg Config) Config {
	d := DefaultConfig()
	orDefault(&cfg.ServerMemory, d.ServerMemory)
	orDefault(&cfg.QueryMemory, d.QueryMemory)
	orDefault(&cfg.MaxQueries, d.MaxQueries)
	orDefault(&cfg.StartTimeout, d.StartTimeout)
	orDefault(&cfg.StopTimeout, d.StopTimeout)
	orDefault(&cfg.HangTimeout, d.HangTimeout)
	orDefault(&cfg.Log, d.Log)
	return cfg
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// checkLibrary says how to get a library that is not there.
func checkLibrary(path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		return fmt.Errorf("embedded ClickHouse needs its library libchdb.so at %q: %w; get it with `make setup` and name it with --clickhouse-library, or use a server of your own with --clickhouse", path, err)
	}
	return nil
}

// lockDir keeps a second backend out before it touches anything in there.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of embedded ClickHouse: %w", err)
	}
	path := filepath.Join(dir, "lock")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of embedded ClickHouse: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrInUse
		}
		return nil, fmt.Errorf("lock %s: %w; stop it, or choose another directory with --data-dir", path, err)
	}
	return file, nil
}
