package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/asprof"
	"github.com/podflame/podflame/sidecar/internal/recording"
	"github.com/podflame/podflame/sidecar/internal/session"
	"github.com/podflame/podflame/sidecar/internal/timeline"
)

// command runs one profiler command and remembers it for the crash breaker.
func (w *worker) command(ctx context.Context, op string, cmd asprof.Command) (asprof.Result, error) {
	var result asprof.Result
	var err error
	w.account.Around(func() { result, err = w.jvm.Run(ctx, w.marker.Library, cmd) })
	reason := profile.Reason("")
	if err != nil {
		reason = asprof.ReasonOf(err)
	}
	if w.mayHarm(op, err) {
		w.suspect = suspect{op, w.clock.Now()}
	}
	w.metrics.command(result.Took, reason)
	return result, err
}

// recording is what is asked of the profiler, for a file.
func (w *worker) recording(file, log string) (asprof.Command, error) {
	s, l := w.sampling(), w.config.Limits
	r := asprof.Recording{
		File: file, MemoryLimit: l.ProfilerMemory, ChunkSize: l.ChunkSize, Timeout: 2 * l.Renew,
		// A little more than a window: chunks end by themselves only when
		// nobody dumps.
		ChunkTime: max(asprof.MinChunkTime, s.Window+s.Window/4),
	}
	if slices.Contains(s.Events, "cpu") {
		r.CPUInterval = s.CPUInterval
	}
	if slices.Contains(s.Events, "alloc") {
		r.AllocInterval, r.Live = s.AllocInterval, slices.Contains(s.Events, "live")
	}
	if slices.Contains(s.Events, "lock") {
		r.LockThreshold = s.LockThreshold
	}
	if slices.Contains(s.Events, "wall") {
		r.WallInterval = wallInterval
	}
	if slices.Contains(s.Events, "nativemem") {
		r.NativeInterval = w.interval("nativemem")
	}
	if slices.Contains(s.Events, "nativelock") {
		r.NativeThreshold = time.Duration(w.interval("nativelock"))
	}
	return asprof.Record(r, log)
}

// wallInterval is async-profiler's own default, said aloud.
const wallInterval = 50 * time.Millisecond

// options tells whether a session was begun with what is asked for today.
func (w *worker) options() string {
	cmd, err := w.recording("/recording", "/log")
	if err != nil {
		return err.Error()
	}
	return cmd.String()
}

// look gathers evidence and enters what it says of our recordings.
func (w *worker) look(ctx context.Context, ask bool) (session.View, error) {
	view, err := w.jvm.Look(ctx, session.Known{Session: w.session(), FD: w.fd}, ask)
	if err != nil {
		return view, err
	}
	switch {
	case view.Recording:
		err = w.seen(view)
	case view.Incomplete:
		return view, fmt.Errorf("process %d has too many open files to say whether a session runs", w.p.PID)
	case view.OwnLibrary == session.Idle: // it has answered, and so carried out whatever was asked before
		err = w.ended(settled)
	case w.session() == "":
		err = w.ended(endedByOthers)
	}
	w.looked = true
	if r := w.marker.Live(); r != nil && r.Phase == session.Asked { // it is asked for, and has not begun
		r.Started = w.clock.Now().UTC()
		if r.Shift != 0 { // it will know the new clock only
			r.Shift, r.Steps, r.Cut = 0, nil, time.Time{}
		}
	}
	return view, err
}

// seen enters that the JVM writes a recording of ours. If the marker does not
// know it, because it was lost, it is read from the start.
func (w *worker) seen(view session.View) error {
	unknown := w.marker.Find(view.Session) == nil
	if err := w.marker.Apply(session.Seen, view.Session); err != nil {
		return err
	}
	r := w.marker.Find(view.Session)
	if unknown {
		r.Started, r.Options = w.target.JVMStart, unknownOptions
	}
	if view.Library != "" {
		w.marker.Library = view.Library
	}
	w.fd, r.Alive = view.Open.FD, w.clock.Now().Add(-r.Shift).UTC()
	w.line.Mark(later(r.Started.Add(r.Shift), w.line.Through()), timeline.Recording)
	return nil
}

// begin begins a session. The marker is written before the command is sent: a
// command that times out may still be carried out.
func (w *worker) begin(ctx context.Context, view session.View) error {
	w.marker.Library = w.owner.library
	if view.Library != "" { // one library for the life of the JVM: a second one knows nothing of the first
		w.marker.Library = view.Library
	} else { // whose counter begins now
		w.marker.Skips = session.Skips{Known: true}
	}
	if err := w.collect(ctx, w.clock.Now()); err != nil { // what an earlier session has left; it can wait
		w.problem(err)
	}
	// Not before: an earlier session is adopted, or read and removed, above all
	// where it has filled the volume.
	if free, err := w.dir.FreeBytes(); err != nil || free < w.config.Limits.MinFree {
		return w.notUsable(errors.Join(err, fmt.Errorf("%d bytes of the shared volume are free, --min-free asks for %d", free, w.config.Limits.MinFree)))
	}
	return w.record(ctx, "begin")
}

// record makes the profiler write a new file.
func (w *worker) record(ctx context.Context, op string) error {
	doubted := w.marker.Live() != nil // an earlier command was not answered
	id, err := w.ask(op == "begin")
	if err != nil {
		return err
	}
	cmd, err := w.recording(w.dir.Recording(id), w.dir.Log())
	if err != nil {
		return err
	}
	_, err = w.command(ctx, op, cmd)
	if stage := asprof.StageOf(err); err != nil && (stage == asprof.Sent || stage == asprof.Unsent && doubted) {
		return err // it may begin yet
	}
	view, lookErr := w.look(ctx, false)
	switch {
	case lookErr != nil:
		return errors.Join(err, lookErr)
	case err != nil && !view.Recording:
		w.tryWithoutLive(err)
		return errors.Join(err, w.marker.Apply(session.Refused, id), w.forgetRecording(ctx, id))
	case view.Session != id:
		return fmt.Errorf("session %s in process %d has no open recording", id, w.p.PID)
	}
	return w.takeOn(ctx, view, false)
}

// ask enters the recording that the profiler is about to be told to begin. One
// that is in doubt is asked for again: if it begins after all, it is that one.
func (w *worker) ask(first bool) (string, error) {
	if r := w.marker.Live(); r != nil && r.Phase == session.Asked {
		return r.Session, nil
	}
	id, now := session.NewID(), w.clock.Now().UTC()
	if err := w.marker.Apply(session.Ask, id); err != nil {
		return "", err
	}
	entry := w.marker.Find(id)
	entry.Options, entry.Started, entry.Expires = w.options(), now, now.Add(2*w.config.Limits.Renew)
	entry.Events, entry.Window = w.settings.Events, w.settings.Window
	entry.Adapted, w.marker.Pace.New = w.marker.Pace.New, nil
	if first {
		entry.Cut = firstCut(now, w.settings.Window)
	}
	for _, r := range w.marker.Recordings {
		if !first && r.Session != id && r.Window != entry.Window { // the windows before end here
			entry.Through = recording.Floor(now, time.Second)
		}
	}
	return id, w.save()
}

// The first window of a session is short, so that there is something to see: it
// ends at the first multiple of cutStep that leaves minCut to record.
const (
	cutStep = 5 * time.Second
	minCut  = 2 * time.Second
)

// firstCut is where the first window ends; zero if that is soon anyway.
func firstCut(now time.Time, window time.Duration) time.Time {
	cut := recording.Ceil(now.Add(minCut), cutStep)
	if window < 2*cutStep || !cut.Add(cutStep).Before(recording.Ceil(now, window)) {
		return time.Time{}
	}
	return cut
}

// takeOn goes on with a session that runs.
func (w *worker) takeOn(ctx context.Context, view session.View, adopted bool) error {
	id := view.Session
	if err := w.open(view); err != nil {
		return err
	}
	w.next = w.grid(id).Next(w.clock.Now())
	level := slog.LevelInfo
	if w.status().State == session.Owned { // as before, in another file
		level = slog.LevelDebug
	}
	w.setState(session.Owned, "", "")
	w.board.update(w.p.Key(), func(s *TargetStatus) { s.Adopted, s.Options = adopted, w.marker.Find(id).Options })
	w.log.Log(ctx, level, "JVM is profiled", "session", id, "adopted", adopted)
	if !adopted || w.marker.Find(id).Options == unknownOptions {
		w.countSkips(ctx) // the profiler's counter runs on from earlier sessions
	}
	// The settings are in the first chunk only: end it now, so that it can be
	// read, and kept, whatever happens. An adopted session has chunks to read.
	if _, err := w.command(ctx, "first dump", asprof.Dump(w.dir.Log())); err != nil {
		w.problem(err) // the session runs all the same; the next boundary dumps again
	} else {
		w.askVersion(ctx)
	}
	return w.save()
}

// askVersion asks the library what it is: another one than ours may have begun
// the session.
func (w *worker) askVersion(ctx context.Context) {
	result, err := w.command(ctx, "version", asprof.Version(w.dir.Log()))
	if err != nil {
		w.problem(err)
		return
	}
	w.board.update(w.p.Key(), func(s *TargetStatus) { s.Profiler = asprof.ParseVersion(result.Log) })
}

// open opens the very file that the JVM writes, which nothing that the
// application does to the directory can replace.
func (w *worker) open(view session.View) error {
	f, err := w.jvm.Open(view.Open)
	if err != nil {
		return fmt.Errorf("open recording of session %s: %w", view.Session, err)
	}
	if old := w.files[view.Session]; old != nil {
		_ = old.Close()
	}
	w.files[view.Session], w.taken = f, view.Session
	return nil
}

// unknownOptions are those of a session that no marker knows.
const unknownOptions = "unknown"

// adopt continues the session of an earlier sidecar, or one that was asked for
// and in doubt: nothing is stopped, and what it has recorded is read.
func (w *worker) adopt(ctx context.Context, view session.View) error {
	if err := w.takeOn(ctx, view, true); err != nil {
		return err
	}
	if err := w.collect(ctx, w.clock.Now()); err != nil {
		w.problem(err)
	}
	return nil
}

// yield ends our session because somebody else has begun one.
func (w *worker) yield(ctx context.Context, view session.View) error {
	c := yielding
	c.detail = view.Detail
	return w.stopFor(ctx, c)
}

// renew gives the session a new file: a session cannot be kept from its
// timeout otherwise, and the old file can be removed. It happens at a boundary,
// so no window has two sessions. A session that could not be ended runs on, as far
// as anybody knows.
func (w *worker) renew(ctx context.Context) error {
	if err := w.end(ctx, renewal); err != nil {
		return err
	}
	err := w.record(ctx, "renew")
	if err != nil {
		w.refuseError(err)
	}
	return err
}

// overfullBy is how many times Limits.MaxRecording a recording may take within a window.
// The kubelet evicts a pod whose volume is too full.
const overfullBy = 2

// overfull says whether the session cannot go on to the next boundary, where its
// recording would be renewed.
func (w *worker) overfull() bool {
	id := w.session()
	return id != "" && w.allocated(id) > w.mostRecording()
}

func (w *worker) mostRecording() int64 { return overfullBy * w.config.Limits.MaxRecording }

func (w *worker) renewalDue(now time.Time, r session.Recording) bool {
	return now.Sub(r.Started) >= w.config.Limits.Renew || now.Add(w.config.Limits.Renew).After(r.Expires) ||
		r.Options != w.options() || len(r.Steps) > 0 || w.allocated(r.Session) > w.config.Limits.MaxRecording ||
		slices.Contains(r.Events, "live") // they are written when a session ends
}
