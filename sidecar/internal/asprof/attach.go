package asprof

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/target"
	"golang.org/x/sys/unix"
)

// maxArgument is one byte less than where HotSpot closes the connection without
// a word; maxOptions leaves room.
const (
	maxArgument = 1023
	maxOptions  = 1000
)

// request sends one attach command with exactly three arguments and reads the
// answer. It wakes the JVM's attach listener where that is not running yet.
func (c *Client) request(ctx context.Context, p target.Process, j *jvm, command string, args ...string) (reply, error) {
	a := attachment{Client: c, p: p, jvm: j}
	conn, err := a.open(ctx)
	if err != nil {
		return reply{}, err
	}
	defer conn.Close()
	a.stage = Sent
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()

	message := strings.Join(append([]string{"1", command}, args...), "\x00") + "\x00"
	if _, err := io.WriteString(conn, message); err != nil {
		return reply{}, a.transportError("send attach request", err)
	}
	b, err := io.ReadAll(io.LimitReader(conn, maxReplyBytes))
	if err != nil {
		return reply{}, a.transportError("read attach reply", err)
	}
	r, ok := parseReply(b)
	if !ok {
		return reply{}, a.transportError("read attach reply", fmt.Errorf("%d bytes without a status", len(b)))
	}
	return r, nil
}

// attachment is one attempt to reach a JVM.
type attachment struct {
	*Client
	p     target.Process
	jvm   *jvm
	stage Stage // of the command
}

func (a attachment) failed(r profile.Reason, op string, err error) error {
	return &Error{Reason: r, Op: op, PID: a.p.PID, Stage: a.stage, Err: err}
}

// transportError tells a refusal from a JVM that takes too long or has ended.
func (a attachment) transportError(op string, err error) error {
	switch {
	case !a.procs.Alive(a.p):
		return a.failed(profile.JVMExited, op, err)
	case errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled):
		return a.failed(profile.AttachTimeout, op, err)
	case errors.Is(err, fs.ErrPermission):
		reason, detail := a.procs.Denied(a.p)
		return &Error{Reason: reason, Op: op, PID: a.p.PID, Detail: detail, Stage: a.stage, Err: err}
	case a.exitsSoon():
		return a.failed(profile.JVMExited, op, err)
	}
	return a.failed(profile.AttachRefused, op, err)
}

// exitGrace is how long a process that is killed may still look alive after its
// connections are closed.
const exitGrace = 500 * time.Millisecond

func (a attachment) exitsSoon() bool {
	for end := time.Now().Add(exitGrace); time.Now().Before(end); time.Sleep(pollInterval) {
		if !a.procs.Alive(a.p) {
			return true
		}
	}
	return false
}

// open connects to the attach socket as the JVM's user: HotSpot looks at the
// credentials that the thread has while it connects.
func (a attachment) open(ctx context.Context) (net.Conn, error) {
	if !a.procs.Alive(a.p) {
		return nil, a.failed(profile.JVMExited, "attach", nil)
	}
	if s, err := a.procs.Signals(a.p.PID); err == nil && s.Stopped {
		return nil, a.failed(profile.JVMStopped, "attach", nil)
	}
	var conn net.Conn
	err := a.procs.As(a.p.Identity, func() error {
		if err := a.awaitSocket(ctx); err != nil {
			return err
		}
		var err error
		conn, err = dial(ctx, a.socket())
		return err
	})
	var typed *Error
	if err != nil && !errors.As(err, &typed) {
		err = a.transportError("attach", err)
	}
	return conn, err
}

func (a attachment) socket() string { return a.tmp() + "/" + a.socketName() }

func (a attachment) socketName() string { return ".java_pid" + strconv.Itoa(a.p.NSPID) }

// socketExists also says no to anything that is no socket of the JVM's user.
func (a attachment) socketExists() (bool, error) {
	var st unix.Stat_t
	err := unix.Lstat(a.socket(), &st)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for attach socket %s: %w", a.socket(), err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK || int(st.Uid) != a.p.Identity.UID {
		return false, a.failed(profile.AttachRefused, "attach",
			fmt.Errorf("%s is not a socket of uid %d", a.socket(), a.p.Identity.UID))
	}
	return true, nil
}

// dial connects with raw system calls, so that it happens on this thread.
func dial(ctx context.Context, path string) (net.Conn, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("create attach socket: %w", err)
	}
	file := os.NewFile(uintptr(fd), path) // owns fd from here on
	defer file.Close()
	for {
		err := unix.Connect(fd, &unix.SockaddrUnix{Name: path})
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			return nil, fmt.Errorf("connect to %s: %w", path, err)
		}
		if err := sleep(ctx, pollInterval); err != nil { // the JVM's backlog is full
			return nil, fmt.Errorf("connect to %s: %w", path, err)
		}
	}
	conn, err := net.FileConn(file) // duplicates fd
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", path, err)
	}
	return conn, nil
}

const pollInterval = 20 * time.Millisecond

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
