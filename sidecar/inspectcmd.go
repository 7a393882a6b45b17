package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/inspect"
	"github.com/podflame/podflame/sidecar/internal/jfr"
)

// InspectCmd prints what a recording holds. Exit codes: 0 printed (what could
// not be read is noted on standard error), 1 nothing to print, 2 wrong usage.
type InspectCmd struct {
	File   string         `arg:"" name:"file.jfr" help:"Recording to read. Symbolic links are not followed."`
	Type   string         `default:"" help:"Type of samples: cpu, alloc, lock, wall, live, nativemem, nativelock, or the event that the recording has in place of CPU time. Default: the first that has samples; for json and ledger all."`
	Format inspect.Format `enum:"collapsed,pprof,json,ledger" default:"collapsed" help:"collapsed: a line per stack; pprof: for go tool pprof; json: everything; ledger: what was read, and what was not and why."`
	Value  inspect.Value  `enum:"value,count,raw" default:"value" help:"value: what samples stand for (ns, bytes); count: samples or contentions; raw: the unscaled sum of the recording (samples, bytes, ns of recorded waits)."`

	DecodeMemory  int64         `default:"256" help:"Memory in MiB that reading may use, at least 96. A chunk may have half of it."`
	DecodeTimeout time.Duration `default:"20s" help:"Time that reading may take."`
	MaxEvents     int64         `default:"5000000" help:"Samples that are read; further ones are counted as truncated."`
	MaxStacks     int           `default:"50000" help:"Distinct stacks per type; the heaviest are kept."`
	MaxDepth      int           `default:"2049" help:"Frames of a stack; those nearest the root are cut. The default is what async-profiler records, and the class."`
	Tick          time.Duration `default:"0" help:"Tick of the kernel that ran the JVM, 4ms where CONFIG_HZ is 250. It matters where the CPU interval is shorter; by default it is seen in the spacing of the samples, or else the value is not known."`
}

// Run reads the recording and prints it.
func (c *InspectCmd) Run(ctx context.Context) error {
	if err := c.validate(); err != nil {
		return &inspect.Error{Code: inspect.ExitUsage, Err: err}
	}
	if c.Format == inspect.Pprof && isTerminal(os.Stdout) {
		return &inspect.Error{Code: inspect.ExitUsage, Err: errors.New("pprof is binary and standard output is a terminal; redirect it to a file")}
	}
	return inspect.Run(ctx, inspect.Request{
		Path: c.File, Type: c.Type, Format: c.Format, Value: c.Value,
		Decoder: c.decoder(), MaxEvents: c.MaxEvents, Tick: c.Tick,
		Limits: profile.Limits{MaxStacks: c.MaxStacks, MaxDepth: c.MaxDepth, MaxNameBytes: 4 << 10, MaxFunctions: 400_000},
	}, os.Stdout, os.Stderr)
}

func (c *InspectCmd) validate() error {
	switch {
	case c.DecodeMemory < jfr.MinMemoryBytes>>20:
		return fmt.Errorf("--decode-memory %d is less than %d MiB", c.DecodeMemory, jfr.MinMemoryBytes>>20)
	case c.DecodeTimeout <= 0:
		return fmt.Errorf("--decode-timeout %s is not positive", c.DecodeTimeout)
	case c.Tick < 0 || c.Tick > time.Second:
		return fmt.Errorf("--tick %s is negative or longer than a second", c.Tick)
	case c.MaxEvents <= 0, c.MaxStacks <= 0, c.MaxDepth <= 0:
		return errors.New("--max-events, --max-stacks and --max-depth must be positive")
	}
	return nil
}

// decoder is wider than that of a window: nothing has to be sent.
func (c *InspectCmd) decoder() *jfr.Decoder {
	d := jfr.NewDecoder()
	d.MemoryBytes, d.Timeout = c.DecodeMemory<<20, c.DecodeTimeout
	d.Output = profile.DecodeLimits{
		MaxEncoded: 128 << 20, MaxDecoded: 1 << 30, MaxFrames: 128 << 20, MaxStacks: c.MaxStacks, MaxDepth: c.MaxDepth,
		MaxFunctions: 400_001, MaxNameBytes: 4 << 10, MaxLosses: 256, MaxThreads: 2_048, // one function more: the mark for those cut
	}
	return d
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
