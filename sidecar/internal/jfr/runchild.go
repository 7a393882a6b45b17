package jfr

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

// failure says at which chunk a child failed, by index, or that it failed
// behind the last; and why.
type failure struct {
	chunk  int
	reason profile.Reason
	err    error
}

const (
	maxStderr  = 4 << 10
	killGrace  = time.Second // for the pipes of a killed child to close
	outputRoom = maxSummary + 4
)

// runChild starts a child over chunks and waits for its end. The error means
// that this says nothing about the chunks.
func (d *Decoder) runChild(ctx context.Context, file *os.File, chunks []Chunk, o *Options, cost *Cost) (Result, *failure, error) {
	req, err := json.Marshal(request{
		Chunks: chunks, Options: *o, MemoryBytes: d.MemoryBytes,
		CPUSeconds: uint64(d.Timeout/time.Second) + 2, MaxOutputBytes: d.Output.MaxEncoded, MaxFrames: d.Output.MaxFrames,
	})
	if err != nil {
		return Result{}, nil, fmt.Errorf("encode request to the decoder: %w", err)
	}
	limited, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	stdout := &boundedBuffer{max: d.Output.MaxEncoded + outputRoom}
	stderr := &boundedBuffer{max: maxStderr, cut: true}
	cmd := d.command(limited, req, stdout, stderr)
	last, waitErr, err := run(cmd, file)
	cost.add(cmd.ProcessState, waitErr == nil)
	switch {
	case err != nil:
		return Result{}, nil, err
	case ctx.Err() != nil:
		return Result{}, nil, ctx.Err()
	case waitErr != nil && last < 0:
		return Result{}, nil, fmt.Errorf("run decoder: %w: %s", waitErr, firstLine(stderr))
	case waitErr != nil:
		return Result{}, d.failure(last, waitErr, limited.Err(), firstLine(stderr)), nil
	}
	result, err := readAnswer(stdout.taken, d.Output)
	if err != nil {
		return Result{}, &failure{len(chunks), profile.WindowTooLarge, err}, nil
	}
	cost.PeakBytes = max(cost.PeakBytes, result.Cost.PeakBytes)
	return result, nil, nil
}

// add enters a child. One that has answered says itself what it needed; for others
// the kernel says it, at least as much as this process has.
func (c *Cost) add(p *os.ProcessState, answered bool) {
	if p == nil {
		return
	}
	c.Children++
	c.CPU += p.UserTime() + p.SystemTime()
	if usage, ok := p.SysUsage().(*syscall.Rusage); ok && !answered {
		c.PeakBytes = max(c.PeakBytes, usage.Maxrss<<10)
	}
}

// command prepares a child that gets nothing of our environment.
func (d *Decoder) command(ctx context.Context, req []byte, stdout, stderr io.Writer) *exec.Cmd {
	cmd := exec.CommandContext(ctx, d.Command[0], d.Command[1:]...)
	cmd.Env = []string{"GOMAXPROCS=1", "GOTRACEBACK=none"}
	cmd.Dir = "/"
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(req), stdout, stderr
	cmd.WaitDelay = killGrace
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// run starts the child, follows its progress and waits for it. last is the
// chunk that it began last, or -1.
func run(cmd *exec.Cmd, file *os.File) (last int, waitErr, err error) {
	// The child dies with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	progress, theirs, err := os.Pipe()
	if err != nil {
		return -1, nil, fmt.Errorf("make pipe to the decoder: %w", err)
	}
	defer func() { _ = progress.Close() }()
	cmd.ExtraFiles = []*os.File{file, theirs}
	err = cmd.Start()
	_ = theirs.Close()
	if err != nil {
		return -1, nil, fmt.Errorf("start decoder: %w", err)
	}
	began := make(chan int, 1)
	go func() { began <- follow(progress) }()
	waitErr = cmd.Wait()
	return <-began, waitErr, nil
}

// follow reads progress until the child's end is closed.
func follow(r io.Reader) int {
	last := -1
	var b [4]byte
	for {
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return last
		}
		last = int(binary.BigEndian.Uint32(b[:]))
	}
}

func (d *Decoder) failure(last int, waitErr, deadline error, said string) *failure {
	f := &failure{chunk: last, reason: profile.RecordingUnreadable}
	signal := syscall.Signal(0)
	if exit, ok := errors.AsType[*exec.ExitError](waitErr); ok {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			signal = status.Signal()
		}
	}
	switch {
	case deadline != nil || signal == syscall.SIGXCPU:
		f.reason = profile.DecodeTimeout
		f.err = fmt.Errorf("not read within %s; raise --decode-timeout", d.Timeout)
	case saysNoMemory(said), signal == syscall.SIGKILL:
		f.reason = profile.DecodeMemory
		f.err = fmt.Errorf("needs more than %d MiB of memory; raise --decode-memory if the recording is sound", d.MemoryBytes>>20)
	default:
		f.err = fmt.Errorf("reader ends with %w: %s", waitErr, said)
	}
	return f
}

// saysNoMemory reports whether Go's runtime ended for want of memory.
func saysNoMemory(said string) bool {
	return strings.Contains(said, "out of memory") || strings.Contains(said, "pthread_create failed") ||
		strings.Contains(said, "failed to create new OS thread")
}

func firstLine(b *boundedBuffer) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(b.taken)), "\n")
	return strings.ToValidUTF8(line, "?")
}

// boundedBuffer takes at most max bytes. Behind that a write fails or, with
// cut, is dropped. It has no other way in: bytes.Buffer's ReadFrom, which
// io.Copy prefers, would know no limit.
type boundedBuffer struct {
	taken []byte
	max   int
	cut   bool
}

func (b *boundedBuffer) Write(p []byte) (int, error) {
	room := b.max - len(b.taken)
	if len(p) > room && !b.cut {
		return 0, fmt.Errorf("decoder answers more than %d bytes", b.max)
	}
	b.taken = append(b.taken, p[:min(len(p), room)]...)
	return len(p), nil
}
