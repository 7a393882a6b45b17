package agent

import (
	"context"
	"os"
	"path/filepath"
	"reflect"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/recording"
	"github.com/podflame/podflame/sidecar/internal/session"
	"github.com/podflame/podflame/sidecar/internal/timeline"
)

// recall takes up what the journal remembers, which nobody else writes.
func (w *worker) recall() {
	if kept, ok := w.journal.recall(w.p); ok {
		w.marker = kept
		set := w.catchUp()
		w.resumeTime()
		if set { // a successor must not take this step for one of its own absence
			if err := w.save(); err != nil {
				w.problem(err)
			}
		}
	}
}

// restore reads, once, what lies in the JVM's directory: the marker, if the
// journal remembers none or another sidecar was at work since; or, if there is
// none that can be used, the recordings themselves.
func (w *worker) restore() {
	if w.restored {
		return
	}
	w.restored = true
	var found session.Marker
	err := w.jvm.As(func() (err error) {
		found, err = w.dir.ReadMarker(w.p.PID, w.p.StartTicks)
		return err
	})
	remembered := w.marker.Schema == session.Schema
	switch {
	case err == nil && (!remembered || found.Newer(w.marker)):
		w.marker = found
		w.catchUp()
		w.resumeTime()
	case !remembered:
		w.log.Debug("no session is restored", "error", err)
		w.marker.Recordings = w.markerOfFiles().Recordings
	}
}

// catchUp moves what an earlier sidecar knew of time if the clock was set since,
// and says whether it was.
func (w *worker) catchUp() bool {
	m := &w.marker
	if m.Zero.IsZero() || m.Boot == "" || m.Boot != w.journal.boot {
		return false
	}
	by := w.watch.zero.Sub(m.Zero)
	if by.Abs() < minStep {
		return false
	}
	w.log.Warn("the clock was set while no sidecar was at work here", "by", by)
	m.ClockSet(timeline.Step{From: m.Heartbeat, To: w.clock.Now().Add(-by), By: by})
	return true
}

// resumeTime continues the account of an earlier sidecar. What its session has
// recorded since is entered when it is read.
func (w *worker) resumeTime() {
	until := w.marker.Accounted
	if until.IsZero() { // a marker of version 0.1
		for _, r := range w.marker.Recordings {
			until = later(until, r.Through)
		}
	}
	found := w.line.Start()
	if until.IsZero() || w.line.Through().After(found) {
		return
	}
	line := timeline.New(recording.Clamp(until, profile.Span{Start: w.p.Start, End: found}), profile.SidecarRestarted, w.marker.Owed...)
	for _, r := range w.marker.Recordings {
		markRecording(line, r)
	}
	line.MarkAll(w.line)
	w.beginTime(line)
}

// markRecording marks the time in which a recording was written that is still to
// be read: what no window has told of it is owed.
func markRecording(line *timeline.Timeline, r session.Recording) {
	if r.Phase == session.Asked || r.Phase == session.Ended && r.Until.IsZero() {
		return
	}
	line.Mark(r.Started.Add(r.Shift), timeline.Recording)
	if r.Phase == session.Ended {
		line.Mark(r.Until.Add(r.Shift), r.Why)
	}
}

// markerOfFiles makes a marker of the recordings that lie in the JVM's
// directory. Whether one of them is still written is seen in the JVM.
func (w *worker) markerOfFiles() (m session.Marker) {
	var names []string
	_ = w.jvm.As(func() (err error) {
		names, err = filepath.Glob(w.dir.Recording("*"))
		return err
	})
	for _, path := range names {
		id, ok := w.dir.SessionOf(path)
		if !ok || m.Apply(session.Seen, id) != nil {
			continue
		}
		*m.Find(id) = session.Recording{Session: id, Phase: session.Ended, Started: w.target.JVMStart, Options: unknownOptions}
	}
	return m
}

// save leaves the marker to a successor: in the journal and, as the owner of the
// JVM's directory, there.
func (w *worker) save() error {
	w.complete()
	if w.lock != nil {
		w.marker.Serial++
	}
	w.marker.Heartbeat = w.clock.Now().UTC()
	w.saved = session.Marker{}
	w.journal.keep(w.p, w.marker)
	if w.lock != nil {
		if err := w.jvm.As(func() error { return w.dir.WriteMarker(w.marker) }); err != nil {
			return err
		}
	}
	w.saved = w.marker.Clone()
	return nil
}

// saveChanges saves if anything but the time has changed since.
func (w *worker) saveChanges() error {
	w.complete()
	if reflect.DeepEqual(w.marker, w.saved) {
		return nil
	}
	return w.save()
}

// complete enters into the marker what the worker knows otherwise.
func (w *worker) complete() {
	w.marker.Schema, w.marker.PID, w.marker.StartTicks = session.Schema, w.p.PID, w.p.StartTicks
	w.marker.Target = session.Target{
		Container: w.target.Container, JVMStart: w.target.JVMStart, JVMVersion: w.target.JVMVersion, MainClass: w.target.MainClass,
	}
	w.marker.Owner, w.marker.Accounted = w.owner.instance, w.line.Through().UTC()
	w.marker.Owed = w.line.Owed()
	w.marker.Boot, w.marker.Zero = w.journal.boot, w.watch.zero.UTC()
}

// forgetRecording gives a recording up that has been read: what is owed of its
// session's time was not recorded. Removing the file comes last: until then its
// windows could be made again.
func (w *worker) forgetRecording(ctx context.Context, id string) error {
	if err := w.settle(ctx, w.marker.Find(id)); err != nil {
		return err
	}
	if err := w.marker.Apply(session.Read, id); err != nil {
		return err
	}
	if f := w.files[id]; f != nil {
		_ = f.Close()
		delete(w.files, id)
	}
	if err := w.save(); err != nil {
		return err
	}
	err := w.jvm.As(func() error { return os.Remove(w.dir.Recording(id)) })
	if os.IsNotExist(err) {
		return nil
	}
	return err
}

// settle tells what is owed of the time of an ended session: it ended some time
// before that was noticed. If the JVM did, there was nothing to record then.
func (w *worker) settle(ctx context.Context, r *session.Recording) error {
	if r.Until.IsZero() || r.Why == profile.JVMExited {
		return nil
	}
	return w.tellLost(ctx, profile.Span{Start: r.Started.Add(r.Shift), End: r.Until.Add(r.Shift)}, r.Why)
}

// cleanUp removes the JVM's directory when nothing in it is needed any more.
func (w *worker) cleanUp() {
	if w.lock == nil || len(w.marker.Recordings) > 0 {
		return
	}
	if err := w.jvm.As(w.dir.Remove); err != nil {
		w.log.Warn("session directory could not be removed", "error", err)
	}
}
