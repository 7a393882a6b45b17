package asprof

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"
)

// Command is one command of the profiler. Its options are built and checked
// here, before anything is sent: async-profiler accepts much that it does not
// understand, and a session that fails to start may free what is still in use.
type Command struct {
	verb    string
	options []string
	log     string
}

// String returns the options as they are sent.
func (c Command) String() string {
	return strings.Join(append(append([]string{c.verb}, c.options...), "log="+c.log), ",")
}

// Recording is what a session records. Zero intervals leave an event out.
type Recording struct {
	File          string        // absolute; must not exist
	CPUInterval   time.Duration // CPU time between samples
	AllocInterval int64         // bytes between samples
	Live          bool          // follow the objects of allocation samples, and write at the end which are there
	LockThreshold time.Duration // accumulated wait per sample
	WallInterval  time.Duration // time between samples of one thread
	// Of native memory and native locks. The profiler then changes the tables by which
	// libraries call malloc and pthread_mutex_lock, and leaves them so for good.
	NativeInterval  int64         // bytes between samples
	NativeThreshold time.Duration // accumulated wait per sample
	MemoryLimit     int64         // bytes for the profiler's stacks, at least MinMemory
	ChunkSize       int64         // bytes after which a chunk is finished
	ChunkTime       time.Duration // time after which a chunk is finished, at least MinChunkTime
	Timeout         time.Duration // after which the session ends by itself
}

// Bounds below which async-profiler does something else than it is told.
const (
	MinMemory    = 10 << 20
	MinChunkSize = 256 << 10
	MinChunkTime = 5 * time.Second
)

// Record begins a session.
//
// The command is always "resume" and never "start": a start clears tables that
// threads of an earlier session may still be reading, which kills the JVM in
// 4.5. The first resume in the life of a JVM does what a start would do; every
// later one leaves the tables alone. The depth of stacks is never given,
// because a change of it frees buffers in use.
func Record(r Recording, log string) (Command, error) {
	c := Command{verb: "resume", log: log}
	if r.CPUInterval > 0 {
		c.add("event", "cpu")
		c.add("interval", nanos(r.CPUInterval))
	}
	if r.AllocInterval > 0 {
		c.add("alloc", strconv.FormatInt(r.AllocInterval, 10))
	}
	if r.Live {
		c.options = append(c.options, "live")
	}
	if r.LockThreshold > 0 {
		c.add("lock", nanos(r.LockThreshold))
	}
	if r.WallInterval > 0 {
		c.add("wall", nanos(r.WallInterval))
	}
	if r.NativeInterval > 0 {
		c.add("nativemem", strconv.FormatInt(r.NativeInterval, 10))
		c.options = append(c.options, "nofree") // there is an event for each, not only for samples
	}
	if r.NativeThreshold > 0 {
		c.add("nativelock", nanos(r.NativeThreshold))
	}
	if len(c.options) == 0 {
		return Command{}, fmt.Errorf("record %s: no event is asked for", r.File)
	}
	if err := r.check(); err != nil {
		return Command{}, err
	}
	c.options = append(c.options, "jfr")
	c.add("file", r.File)
	c.add("memlimit", strconv.FormatInt(r.MemoryLimit, 10))
	c.add("chunksize", strconv.FormatInt(r.ChunkSize, 10))
	c.add("chunktime", seconds(r.ChunkTime))
	c.add("timeout", seconds(r.Timeout))
	return c, nil
}

func (r Recording) check() error {
	if err := checkPath(r.File); err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	switch {
	case r.Live && r.AllocInterval == 0:
		return fmt.Errorf("record %s: live objects are asked for without allocations", r.File)
	case r.MemoryLimit < MinMemory:
		return fmt.Errorf("memory limit %d of the profiler is below %d bytes", r.MemoryLimit, MinMemory)
	case r.ChunkSize < MinChunkSize:
		return fmt.Errorf("chunk size %d is below %d bytes", r.ChunkSize, MinChunkSize)
	case r.ChunkTime < MinChunkTime:
		return fmt.Errorf("chunk time %s is below %s", r.ChunkTime, MinChunkTime)
	case r.Timeout <= r.ChunkTime:
		return fmt.Errorf("timeout %s of the session is not above its chunk time %s", r.Timeout, r.ChunkTime)
	}
	return nil
}

// Dump finishes the current chunk and begins another one in the same file,
// without a gap.
func Dump(log string) Command { return Command{verb: "dump", options: []string{"jfr"}, log: log} }

// Stop ends the session and finishes its file. It fails if none is active (see
// NotActive), which it would not with an output format.
func Stop(log string) Command { return Command{verb: "stop", log: log} }

// Status asks whether a session is running; see Running.
func Status(log string) Command { return Command{verb: "status", log: log} }

// Metrics asks for the profiler's own counters; see ParseMetrics.
func Metrics(log string) Command { return Command{verb: "metrics", log: log} }

// Version asks for the version of the library.
func Version(log string) Command { return Command{verb: "version", log: log} }

func (c *Command) add(key, value string) { c.options = append(c.options, key+"="+value) }

func nanos(d time.Duration) string { return strconv.FormatInt(d.Nanoseconds(), 10) }

func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

func (c Command) check(library string) error {
	if err := checkPath(c.log); err != nil {
		return fmt.Errorf("log of %s: %w", c.verb, err)
	}
	if !path.IsAbs(library) || len(library) > maxArgument || strings.ContainsRune(library, 0) {
		return fmt.Errorf("library path %.80q is not absolute or above %d bytes", library, maxArgument)
	}
	if n := len(c.String()); n >= maxOptions {
		return fmt.Errorf("options of %s have %d bytes, they must have fewer than %d; use a shorter --shared-dir", c.verb, n, maxOptions)
	}
	return nil
}

// checkPath refuses what async-profiler would cut, expand or misread.
func checkPath(p string) error {
	if !path.IsAbs(p) || path.Clean(p) != p {
		return fmt.Errorf("path %.80q is not absolute and clean", p)
	}
	if i := strings.IndexFunc(p, func(r rune) bool { return r <= ' ' || r == ',' || r == '%' || r >= 0x7f }); i >= 0 {
		return fmt.Errorf("path %.80q has a character that the profiler does not take", p)
	}
	return nil
}
