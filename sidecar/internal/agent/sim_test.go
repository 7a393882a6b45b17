package agent

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/account"
	"github.com/podflame/podflame/sidecar/internal/asprof"
	"github.com/podflame/podflame/sidecar/internal/ending"
	"github.com/podflame/podflame/sidecar/internal/jfr"
	"github.com/podflame/podflame/sidecar/internal/recording"
	"github.com/podflame/podflame/sidecar/internal/runas"
	"github.com/podflame/podflame/sidecar/internal/session"
	"github.com/podflame/podflame/sidecar/internal/target"
	"github.com/podflame/podflame/sidecar/internal/timeline"
	"github.com/prometheus/client_golang/prometheus"
)

// fakeClock is led by the test.
type fakeClock struct {
	wall    time.Time
	elapsed time.Duration
	slept   time.Duration
}

func (c *fakeClock) Now() time.Time         { return c.wall }
func (c *fakeClock) Elapsed() time.Duration { return c.elapsed }
func (c *fakeClock) Awake() time.Duration   { return c.elapsed - c.slept }

func (c *fakeClock) pass(d time.Duration) { c.wall, c.elapsed = c.wall.Add(d), c.elapsed+d }

// simulated is a JVM with async-profiler in it that writes recordings of one
// sample a millisecond.
type simulated struct {
	clock *fakeClock
	dir   session.Dir

	dead     bool
	hangs    bool // commands get no answer, and are carried out later
	queue    []asprof.Command
	commands int

	file    *os.File // that is written; nil if no session runs
	path    string
	chunk   int64 // offset of the chunk that is written
	started time.Time
	since   time.Duration // Awake at its start

	loaded  bool // our library
	foreign bool // somebody else's session runs

	taken   int64 // samples in finished chunks
	skipped int64 // samples that were not taken; one while each chunk is finished

	noLive bool // another agent has the sampler of allocations

	log *ending.HsErr // that it has left

	sidecar mortal // that looks after it
}

const fakeTimeout = 10 * time.Millisecond

func (s *simulated) Alive() bool                     { return !s.dead }
func (s *simulated) As(fn func() error) error        { return s.sidecar.around(fn) }
func (s *simulated) Root() string                    { return "/" }
func (s *simulated) CPUTime() (time.Duration, error) { return 0, errors.New("not known") }
func (s *simulated) Forget()                         {}
func (s *simulated) Ending(r ending.Recording, _ string) ending.Ending {
	return ending.Classify(ending.Evidence{Recording: r, HsErr: s.log})
}

func (s *simulated) Open(target.Recording) (*os.File, error) {
	return os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", s.file.Fd()), os.O_RDWR, 0)
}

func (s *simulated) Look(_ context.Context, known session.Known, ask bool) (session.View, error) {
	if s.dead {
		return session.View{}, os.ErrNotExist
	}
	var v session.View
	if s.loaded {
		v.Library = "/lib.so"
	}
	if s.file != nil {
		v.Recording, v.Session, v.Open = true, strings.TrimSuffix(filepath.Base(s.path), ".jfr"), target.Recording{FD: 1, Path: s.path}
		v.Begun = v.Session == known.Session
	}
	if s.foreign {
		v.Foreign, v.ForeignThreads = 1, 1
	}
	if ask && s.loaded && s.file == nil {
		if s.hangs {
			v.OwnLibrary = session.Unclear
		} else {
			v.OwnLibrary = session.Idle
		}
	}
	return v, nil
}

func (s *simulated) Run(_ context.Context, _ string, cmd asprof.Command) (result asprof.Result, err error) {
	_ = s.sidecar.around(func() error { result, err = s.answer(cmd); return nil })
	return result, err
}

func (s *simulated) answer(cmd asprof.Command) (asprof.Result, error) {
	s.commands++
	fail := func(stage asprof.Stage, r profile.Reason, detail string) (asprof.Result, error) {
		return asprof.Result{}, &asprof.Error{Reason: r, Op: "sim", Detail: detail, Stage: stage}
	}
	switch {
	case s.dead:
		return fail(asprof.Unsent, profile.JVMExited, "")
	case s.hangs:
		s.queue = append(s.queue, cmd)
		return fail(asprof.Sent, profile.AttachTimeout, "")
	}
	s.clock.pass(fakeTimeout / 10)
	if detail := s.carryOut(cmd.String()); detail != "" {
		return fail(asprof.Answered, profile.ProfilerError, detail)
	}
	return asprof.Result{Took: fakeTimeout / 10, Log: fmt.Sprintf("samples_skipped_total %d\n", s.skipped)}, nil
}

// answers makes the JVM carry out what it was told meanwhile.
func (s *simulated) answers() {
	s.hangs = false
	for _, cmd := range s.queue {
		s.carryOut(cmd.String())
	}
	s.queue = nil
}

func (s *simulated) carryOut(command string) (failure string) {
	s.loaded = true
	verb, rest, _ := strings.Cut(command, ",")
	switch verb {
	case "resume":
		if s.file != nil {
			return "Profiler already started"
		}
		for option := range strings.SplitSeq(rest, ",") {
			if option == "live" && s.noLive {
				return "200 [ERROR] 'live' option is supported on OpenJDK 11+"
			}
			if path, ok := strings.CutPrefix(option, "file="); ok {
				return s.begin(path)
			}
		}
	case "dump":
		if s.file == nil {
			return "Profiler has not started"
		}
		s.finishChunk()
		s.beginChunk()
	case "stop":
		if s.file == nil {
			return "Profiler is not active"
		}
		s.end()
	}
	return ""
}

func (s *simulated) begin(path string) string {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "Could not open " + path
	}
	s.file, s.path = f, path
	s.beginChunk()
	return ""
}

const fakeChunk = 84 // bytes: a header, the number of samples, and what the header points to

func (s *simulated) beginChunk() {
	end, _ := s.file.Seek(0, io.SeekEnd)
	s.chunk, s.started, s.since = end, s.clock.wall, s.clock.Awake()
	_, _ = s.file.WriteAt(s.header(false), s.chunk)
}

func (s *simulated) finishChunk() {
	samples := (s.clock.Awake() - s.since).Milliseconds()
	_, _ = s.file.WriteAt(binary.BigEndian.AppendUint64(s.header(true), uint64(samples)), s.chunk)
	_, _ = s.file.WriteAt(make([]byte, 8), s.chunk+fakeChunk-8)
	s.taken += samples
	s.skipped++
}

func (s *simulated) header(finished bool) []byte {
	h := append([]byte("FLR\x00"), 0, 2, 0, 0)
	size, pools, metadata := uint64(0), uint64(0), uint64(0)
	if finished {
		size, pools, metadata = fakeChunk, fakeChunk-8, fakeChunk-7
	}
	for _, field := range []uint64{size, pools, metadata, uint64(s.started.UnixNano()), uint64(s.clock.wall.Sub(s.started)), uint64(s.since), 1e9} {
		h = binary.BigEndian.AppendUint64(h, field)
	}
	return append(h, 0, 0, 0, 0)
}

// end ends the session in good order.
func (s *simulated) end() {
	s.finishChunk()
	s.drop()
}

// drop ends the session as a kill does.
func (s *simulated) drop() {
	if s.file != nil {
		_ = s.file.Close()
	}
	s.file = nil
}

// countingDecoder knows the chunks of simulated JVMs.
type countingDecoder struct {
	err      error
	value    int64            // of a sample; 0 is 1
	settings profile.Settings // that recordings say
}

func (d *countingDecoder) Decode(_ context.Context, f *os.File, chunks []jfr.Chunk, _ jfr.Options) (jfr.Result, error) {
	if d.err != nil {
		return jfr.Result{}, d.err
	}
	var n int64
	for _, c := range chunks {
		var b [8]byte
		if _, err := f.ReadAt(b[:], c.Offset+68); err != nil {
			return jfr.Result{}, err
		}
		n += int64(binary.BigEndian.Uint64(b[:]))
	}
	amount := profile.Amount{Value: n * max(d.value, 1), Count: n}
	return jfr.Result{
		Sets:     []profile.StackSet{{Type: profile.CPU, Functions: []profile.Function{{Name: "f"}}, Stacks: []profile.Stack{{Frames: []uint32{0}, Value: amount.Value, Count: n}}}},
		Coverage: []profile.Coverage{{Type: profile.CPU, Captured: amount, Stored: amount}},
		Recorded: profile.Span{Start: chunks[0].Start, End: chunks[len(chunks)-1].End},
		Settings: d.settings,
	}, nil
}

// world is a simulated JVM with a worker, whose sidecar may end and come back.
type world struct {
	fail    func(format string, args ...any)
	clock   *fakeClock
	jvm     *simulated
	spool   *memory
	decoder *countingDecoder
	config  *Config
	p       target.Process
	volume  string
	w       *worker
	began   time.Duration // Elapsed when the first worker came
	earlier spooled       // by workers that are no more
	longest time.Duration // window
	patient bool          // of windows that are longer, because the JVM did not answer when the clock was set
}

func newWorld(directory string, fail func(string, ...any)) *world {
	start := time.Date(2026, 11, 26, 10, 0, 17, 0, time.UTC)
	c := &fakeClock{wall: start, elapsed: time.Hour}
	s := contract.DefaultSettings()
	s.Events, s.Window = []string{"cpu"}, 10*time.Second
	limits := DefaultLimits()
	limits.MinFree = 0
	v := &world{
		fail: fail, clock: c, spool: &memory{}, decoder: &countingDecoder{}, volume: directory,
		p:      target.Process{PID: 1 << 22, StartTicks: 7, Identity: runas.Self(), Start: start.Add(-30 * time.Second), MainClass: "Main"},
		config: &Config{Settings: s, Limits: limits, State: filepath.Join(directory, "state"), Clock: c},
		began:  c.elapsed,
	}
	if err := os.MkdirAll(v.config.State, 0o700); err != nil {
		fail("%v", err)
	}
	v.jvm = &simulated{clock: c, dir: session.NewDir(directory, v.p.Key())}
	v.comeBack()
	return v
}

// comeBack begins a worker of a new sidecar.
func (v *world) comeBack() {
	v.longest = max(v.longest, v.config.Settings.Window)
	j, err := openJournal(filepath.Join(v.config.State, "jvms.json"), v.clock)
	if err != nil {
		v.fail("%v", err)
	}
	m := newMetrics(prometheus.NewRegistry())
	reader := recording.Reader{Decoder: v.decoder, Options: jfr.Options{}}
	v.w = &worker{
		config: v.config, log: slog.New(slog.DiscardHandler), clock: v.clock, p: v.p,
		target: profile.Target{PID: v.p.PID, JVMStart: j.start(v.p)}, jvm: v.jvm, dir: v.jvm.dir, reader: reader, spool: v.spool,
		journal: j, board: newBoard(m), metrics: m, account: account.New(v.jvm.CPUTime), owner: owner{session.NewID(), "/lib.so"},
		pause: &pause{}, files: map[string]*os.File{}, watch: watchClock(v.clock), retry: v.clock.Now(),
	}
	v.w.loads.Period = v.config.Limits.AdaptInterval
	v.w.loads.Begin(v.clock.elapsed)
	v.w.settings = v.config.wish(v.config.Settings, v.clock.Now()).settings
	v.w.beginTime(timeline.New(v.clock.Now(), profile.JVMStarting))
	v.w.next = v.w.grid("").Next(v.clock.Now())
	v.w.recall()
}

// step lets the worker do what is due after some time.
func (v *world) step(d time.Duration) {
	v.pass(d)
	v.w.step(context.Background())
	v.check()
}

// away lets time pass in which no sidecar is there: the profiler finishes chunks
// by itself.
func (v *world) away(seconds int) {
	for range seconds {
		v.pass(time.Second)
	}
}

func (v *world) pass(d time.Duration) {
	v.clock.pass(d)
	if v.jvm.file != nil && v.clock.Awake()-v.jvm.since >= v.longest*5/4 {
		v.jvm.finishChunk()
		v.jvm.beginChunk()
	}
}

// sleep lets time pass in which nothing on the machine runs.
func (v *world) sleep(d time.Duration) {
	v.clock.pass(d)
	v.clock.slept += d
}

// kill ends the sidecar without a word.
func (v *world) kill() {
	v.w.close()
	v.earlier.recorded += v.w.spooled.recorded
	v.earlier.told += v.w.spooled.told
}

// set sets the clock.
func (v *world) set(by time.Duration) {
	v.clock.wall = v.clock.wall.Add(by)
	v.p.Start = v.p.Start.Add(by) // the kernel's boot time moves with the clock
}

// check holds the worker to the laws that hold at each moment.
func (v *world) check() {
	sums, span := v.w.line.Sums(), v.w.line.Through().Sub(v.w.line.Start())
	if all := sums.Recorded + sums.Told + sums.Owed + sums.Elsewhere; all != span {
		v.fail("the account has %+v of %s", sums, span)
	}
	v.w.checkTime()
	if d := v.w.status().Difference; d > 50*time.Millisecond { // commands of some ms around a step of the clock
		v.fail("the account differs by %s from the clock and the spool: %+v, windows %+v", d, v.w.line.Sums(), v.w.spooled)
	}
	if v.jvm.file != nil {
		if info, err := os.Stat(v.jvm.path); err != nil || info.Size() == 0 {
			v.fail("the recording that the JVM writes is gone: %v", err)
		}
	}
	seen := map[profile.WindowID]bool{}
	for _, w := range v.spool.all() {
		if seen[w.ID] {
			v.fail("window %s of %s is there twice", w.ID, w.Start)
		}
		seen[w.ID] = true
		if length := w.End.Sub(w.Start); length > profile.MaxWindowSeconds*time.Second {
			v.fail("a window of %s, which the backend refuses", length)
		}
		if w.Session != "" && w.End.Sub(w.Start) > 2*v.longest && !v.patient {
			v.fail("window of %s", w.End.Sub(w.Start))
		}
	}
}

// samples is how many samples are in the spool.
func (v *world) samples() (n int64) {
	for _, w := range v.spool.all() {
		if c := w.CoverageOf(profile.CPU); c != nil {
			n += c.Stored.Count
		}
	}
	return n
}

// skipped are the samples that windows in the spool tell as skipped.
func (v *world) skipped() (n int64) {
	for _, w := range v.spool.all() {
		for _, l := range w.Losses {
			if l.Reason == profile.ProfilerSkipped {
				n += l.Count
			}
		}
	}
	return n
}

// lost is the time for which the windows in the spool say a reason.
func (v *world) lost() map[profile.Reason]time.Duration {
	lost := map[profile.Reason]time.Duration{}
	for _, w := range v.spool.all() {
		for _, l := range w.Losses {
			lost[l.Reason] += l.Duration
		}
	}
	return lost
}
