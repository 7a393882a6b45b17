// Package embedded runs a ClickHouse server inside the backend's own container:
// a supervised child process that loads libchdb and listens on loopback only.
//
// The backend's binary re-executes itself; its main calls RunChild first and
// returns if that was the child. The child ends when its parent does.
package embedded

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"
)

// Config says how to run the server. Zero fields other than Dir and Library get
// defaults.
type Config struct {
	Dir          string // where data lives; created if missing
	Library      string // path of libchdb.so
	ServerMemory int64  // bytes that the server may use; default 700 MB
	QueryMemory  int64  // bytes that a query may use; default 250 MB
	MaxQueries   int    // at the same time; default 32
	StartTimeout time.Duration
	StopTimeout  time.Duration
	Log          *slog.Logger
	// Executable is the program to re-execute; empty means this one.
	Executable string
}

var errNotYet = errors.New("not built yet")

// Server is a running, supervised server.
type Server struct{}

// RunChild runs the server and returns true with its exit code if this process
// was started as the child; call it first thing in main.
func RunChild() (exitCode int, isChild bool) { return 0, false }

// Start starts the server and waits until it answers.
func Start(ctx context.Context, cfg Config) (*Server, error) { return nil, errNotYet }

// DSN is for store.Config.DSN.
func (s *Server) DSN() string { return "" }

// Dial is for store.Config.Dial: it connects to the server's current port.
func (s *Server) Dial(ctx context.Context, addr string) (net.Conn, error) { return nil, errNotYet }

// Stop ends the server: gracefully, then by force.
func (s *Server) Stop(ctx context.Context) error { return errNotYet }
