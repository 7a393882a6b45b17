package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/asprof"
	"github.com/podflame/podflame/sidecar/internal/safefile"
	"github.com/podflame/podflame/sidecar/internal/session"
)

// command runs one profiler command and remembers it for the crash breaker.
func (w *worker) command(ctx context.Context, op string, cmd asprof.Command) (asprof.Result, error) {
	result, err := w.profiler.Run(ctx, w.p, w.library, cmd)
	reason := profile.Reason("")
	if err != nil {
		reason = asprof.ReasonOf(err)
	}
	if !routine(op) || reason == profile.JVMExited {
		w.suspect, w.suspectAt = op, time.Now()
	}
	w.metrics.command(result.Took, reason)
	return result, err
}

// routine commands come with every window. A JVM that ends soon after one has
// ended by chance, if it did not end while the command ran.
func routine(op string) bool { return op == "dump" || op == "metrics" }

// recording is what is asked of the profiler, for a file.
func (w *worker) recording(file, log string) (asprof.Command, error) {
	s, l := w.config.Settings, w.config.Limits
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
		r.AllocInterval = s.AllocInterval
	}
	if slices.Contains(s.Events, "lock") {
		r.LockThreshold = s.LockThreshold
	}
	if slices.Contains(s.Events, "wall") {
		r.WallInterval = wallInterval
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

// begin begins a session. The marker is written before the command is sent: a
// command that times out may still be carried out.
func (w *worker) begin(ctx context.Context, view session.View) error {
	w.library = w.Agent.library
	if view.Library != "" { // one library for the life of the JVM: a second one knows nothing of the first
		w.library = view.Library
	}
	if w.restoreMarker() {
		w.accountForEndedSession()
	}
	if err := w.collect(ctx, time.Now(), nil); err != nil { // what an earlier session has left; it can wait
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
	id, now := session.NewID(), time.Now()
	cmd, err := w.recording(w.dir.Recording(id), w.dir.Log())
	if err != nil {
		return err
	}
	entry := session.Recording{Session: id, Options: w.options(), Started: now.UTC(), Expires: now.Add(2 * w.config.Limits.Renew).UTC()}
	for _, r := range w.marker.Recordings {
		entry.Skipped = max(entry.Skipped, r.Skipped)
	}
	if err := w.marker.Add(entry); err != nil {
		return err
	}
	if err := w.saveMarker(); err != nil {
		return err
	}
	if _, err := w.command(ctx, op, cmd); err != nil {
		return w.recordFailed(id, err)
	}
	if err := w.openActive(ctx, id); err != nil {
		return err
	}
	w.started(id, false)
	w.countSkippedFromHere(ctx)
	// The settings are in the first chunk only: end it now, so that it can be
	// read, and kept, whatever happens.
	if _, err := w.command(ctx, "first dump", asprof.Dump(w.dir.Log())); err != nil {
		w.problem(err) // the session runs all the same; the next boundary dumps again
	}
	return nil
}

// recordFailed forgets a session that has certainly not begun.
func (w *worker) recordFailed(id string, err error) error {
	switch asprof.ReasonOf(err) {
	case profile.AttachTimeout, profile.AttachRefused:
		w.inDoubt = true
	case profile.JVMExited:
	default:
		w.marker.Drop(id)
		_ = w.as(func() error { return os.Remove(w.dir.Recording(id)) })
		err = errors.Join(err, w.saveMarker())
	}
	return err
}

// openActive opens the very file that the JVM writes, which nothing that the
// application does to the directory can replace.
func (w *worker) openActive(ctx context.Context, id string) error {
	view, err := w.looker.Look(ctx, w.p, w.dir, id, false)
	if err != nil {
		return err
	}
	if !view.Recording || view.Session != id {
		return fmt.Errorf("session %s in process %d has no open recording", id, w.p.PID)
	}
	return w.open(id, w.procs.Path(w.p.PID, "fd", fmt.Sprint(view.Open.FD)))
}

func (w *worker) open(id, link string) error {
	return w.as(func() error {
		f, err := safefile.OpenLinkWritable(link)
		if err != nil {
			return fmt.Errorf("open recording of session %s: %w", id, err)
		}
		if old := w.files[id]; old != nil {
			_ = old.Close()
		}
		w.files[id] = f
		return nil
	})
}

// countSkippedFromHere leaves out what earlier sessions have skipped: the
// profiler's counter runs on.
func (w *worker) countSkippedFromHere(ctx context.Context) {
	if w.skipped(ctx, *w.marker.Find(w.session)) == nil {
		return
	}
	if err := w.saveMarker(); err != nil {
		w.problem(err)
	}
}

func (w *worker) started(id string, adopted bool) {
	w.session, w.inDoubt = id, false
	w.marker.Find(id).Begun = true
	w.gaps.set(time.Now(), "")
	w.setState(session.Owned, "", "")
	w.update(w.p.Key(), func(s *TargetStatus) { s.Adopted, s.Options = adopted, w.marker.Find(id).Options })
	w.log.Info("JVM is profiled", "session", id, "adopted", adopted)
}

// adopt continues the session of an earlier sidecar: nothing is stopped, and
// what it has recorded in between is read.
func (w *worker) adopt(ctx context.Context, view session.View) error {
	w.restoreMarker()
	w.library = view.Library
	known := w.marker.Find(view.Session) != nil
	if err := w.ensureEntry(view.Session); err != nil {
		return err
	}
	if err := w.open(view.Session, w.procs.Path(w.p.PID, "fd", fmt.Sprint(view.Open.FD))); err != nil {
		return err
	}
	if err := w.saveMarker(); err != nil {
		return err
	}
	w.started(view.Session, true)
	if !known {
		w.countSkippedFromHere(ctx)
	}
	if _, err := w.command(ctx, "adopt", asprof.Dump(w.dir.Log())); err != nil {
		w.problem(err)
	}
	if err := w.collect(ctx, time.Now(), nil); err != nil {
		w.problem(err)
	}
	return nil
}

// ensureEntry enters a session that the marker does not know, because it was
// lost. Its recording is read from the start: windows that were made before are
// made again, with the same ids.
func (w *worker) ensureEntry(id string) error {
	if w.marker.Find(id) != nil {
		return nil
	}
	return w.marker.Add(session.Recording{Session: id, Started: w.target.JVMStart, Options: "unknown", Begun: true})
}

// yield ends our session because somebody else has begun one.
func (w *worker) yield(ctx context.Context, view session.View) error {
	if w.session == "" {
		w.restoreMarker()
		w.library = view.Library
		if err := w.ensureEntry(view.Session); err != nil {
			return err
		}
	}
	err := w.stop(ctx, "yield")
	if err != nil && !asprof.NotActive(err) {
		return err
	}
	w.session = ""
	w.refuse(session.Conflict, profile.Conflict, view.Detail)
	if err := w.collect(ctx, time.Now(), nil); err != nil {
		w.problem(err)
	}
	return nil
}

func (w *worker) stop(ctx context.Context, op string) error {
	_, err := w.command(ctx, op, asprof.Stop(w.dir.Log()))
	if asprof.NotActive(err) {
		return nil
	}
	return err
}

// renew gives the session a new file: a session cannot be kept from its
// timeout otherwise, and the old file can be removed. It happens at a boundary,
// so no window has two sessions.
func (w *worker) renew(ctx context.Context) error {
	stopping := time.Now()
	if err := w.stop(ctx, "renew"); err != nil {
		return err
	}
	w.session = ""
	w.gaps.set(stopping, profile.ProfilerStall)
	return w.record(ctx, "renew")
}

func (w *worker) renewalDue(now time.Time, r session.Recording) bool {
	return now.Sub(r.Started) >= w.config.Limits.Renew || now.Add(w.config.Limits.Renew).After(r.Expires) ||
		r.Options != w.options() || w.allocated(r.Session) > w.config.Limits.MaxRecording
}

// accountForEndedSession notes the time from the end of an earlier sidecar's
// session to the discovery of the JVM by this one, which accounts for what
// comes then. The application can set the time of the file.
func (w *worker) accountForEndedSession() {
	d := drain{worker: w, id: w.marker.Recordings[len(w.marker.Recordings)-1].Session}
	f, err := d.file()
	if err != nil {
		return
	}
	if info, err := f.Stat(); err == nil {
		earliest := clamp(d.entry().Started, w.p.Start, w.found)
		w.accountFor(profile.SessionEnded, clamp(info.ModTime(), earliest, w.found))
	}
}

// restoreMarker reads what an earlier sidecar has left, once. It says whether
// there are recordings to be read.
func (w *worker) restoreMarker() bool {
	if w.marker.Schema != 0 {
		return false
	}
	err := w.as(func() (err error) {
		w.marker, err = w.dir.ReadMarker(w.p.PID, w.p.StartTicks)
		return err
	})
	if err != nil {
		w.log.Debug("no session is restored", "error", err)
		w.marker = session.Marker{}
	}
	w.marker.Schema, w.marker.PID, w.marker.StartTicks = session.Schema, w.p.PID, w.p.StartTicks
	return len(w.marker.Recordings) > 0
}

func (w *worker) saveMarker() error {
	w.marker.Target = session.Target{
		Container: w.target.Container, JVMStart: w.target.JVMStart, JVMVersion: w.target.JVMVersion, MainClass: w.target.MainClass,
	}
	w.marker.Library, w.marker.Owner, w.marker.Heartbeat = w.library, w.instance, time.Now().UTC()
	return w.as(func() error { return w.dir.WriteMarker(w.marker) })
}

func (w *worker) as(fn func() error) error { return w.procs.As(w.p.Identity, fn) }
