package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/recording"
	"github.com/podflame/podflame/sidecar/internal/safefile"
	"github.com/podflame/podflame/sidecar/internal/session"
	"golang.org/x/sys/unix"
)

// collect makes the windows that are complete at now, of every recording of the
// JVM; one that cannot be read now does not keep the others waiting. Recordings
// of ended sessions are read to the end and removed. Without the lock another
// sidecar may be reading them.
func (w *worker) collect(ctx context.Context, now time.Time) error {
	if w.lock == nil {
		return nil
	}
	var failed error
	var done []string
	for _, r := range slices.Clone(w.marker.Recordings) {
		if r.Phase == session.Asked {
			continue
		}
		switch err := w.read(ctx, r.Session, now); {
		case err != nil:
			failed = errors.Join(failed, fmt.Errorf("read recording of session %s: %w", r.Session, err))
		case r.Phase == session.Ended:
			done = append(done, r.Session)
		}
	}
	for _, id := range done { // which saves what was read of all
		if err := w.forgetRecording(ctx, id); err != nil {
			failed = errors.Join(failed, fmt.Errorf("remove recording of session %s: %w", id, err))
		}
	}
	return failed
}

// read makes the windows of one recording that are complete at now.
func (w *worker) read(ctx context.Context, id string, now time.Time) error {
	r := w.marker.Find(id)
	f, err := w.file(id)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, safefile.ErrNotRegular) {
		return w.missing(ctx, r, now, err)
	}
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	now = now.Add(-r.Shift)
	parts, first, err := recording.Parts(f, info.Size(), w.progress(r), now)
	if err != nil {
		return err
	}
	r.Kept = max(r.Kept, first)
	for _, part := range parts {
		if err := w.makeWindow(ctx, r, f, part, !part.End.Before(now)); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) progress(r *session.Recording) recording.Progress {
	possible := profile.Span{Start: later(r.Started, r.Written), End: w.clock.Now().Add(-r.Shift)}
	if !r.Until.IsZero() {
		possible.End = earlier(possible.End, r.Until)
	}
	ended := r.Phase == session.Ended
	return recording.Progress{Consumed: r.Consumed, Grid: w.grid(r.Session), Possible: possible, Ended: ended, Steps: r.Steps, Alive: r.Alive}
}

func (w *worker) file(id string) (*os.File, error) {
	if f := w.files[id]; f != nil {
		return f, nil
	}
	err := w.jvm.As(func() error {
		f, err := safefile.Open(w.dir.Recording(id))
		if err == nil {
			w.files[id] = f
		}
		return err
	})
	return w.files[id], err
}

// makeWindow makes the window of a part, puts it into the spool and only then
// gives its bytes up.
func (w *worker) makeWindow(ctx context.Context, r *session.Recording, f *os.File, part recording.Part, newest bool) error {
	reader := w.reader
	reader.Options.Types = typesOf(w.eventsOf(r.Session))
	reader.Options.NoThreads = !w.settings.Threads
	result, note, err := reader.Read(ctx, r.Session, f, part, r.Settings)
	if err != nil {
		return err
	}
	w.metrics.waited.Add(result.Cost.Waited.Seconds())
	w.board.update(w.p.Key(), func(s *TargetStatus) { s.ReadWait = result.Cost.Waited })
	if note != nil {
		w.problem(fmt.Errorf("keep unreadable recording: %w", note))
	}
	if before := earlier(part.Start, part.Span.Start).Add(r.Shift); !w.startedBefore(before) {
		if err := w.tellUpTo(ctx, before, nil); err != nil {
			return err
		}
	}
	window := w.newWindow(r.Session, part.Start, part.End)
	result.AddTo(window)
	window.Recorded.End = earlier(window.Recorded.End, window.Recorded.Start.Add(profile.MaxWindowSeconds*time.Second))
	window.KernelCPU = w.account.Between(window.Recorded.Start, window.Recorded.End)
	window.NoticeKernelCPU()
	noticeAdapted(window, r)
	w.noticeBounded(window)
	window.Losses = profile.AddLosses(window.Losses, part.Losses...)
	if part.Unfinished > 0 {
		window.Losses = profile.AddLosses(window.Losses, profile.Loss{Outcome: profile.Dropped, Reason: profile.ChunkUnfinished, Bytes: part.Unfinished})
	}
	if newest {
		window.Losses = profile.AddLosses(window.Losses, w.untold()...)
	}
	large := isLarge(window)
	entered := w.enterPart(r, f, part, result.Recorded)
	if err := w.putTimed(ctx, window, entered); err != nil {
		return err
	}
	w.weigh(window)
	if newest {
		w.told()
	}
	r.Settings = result.Settings
	if large {
		debug.FreeOSMemory()
	}
	return w.consume(r, f, part)
}

// enterPart returns the account of time with a part in it.
func (w *worker) enterPart(r *session.Recording, f *os.File, part recording.Part, recorded profile.Span) timed {
	span := func(from, to time.Time) profile.Span {
		return profile.Span{Start: from.Add(r.Shift), End: to.Add(r.Shift)}
	}
	t := timed{line: w.line.Clone()}
	held := span(recording.Clamp(recorded.Start, part.Span), recording.Clamp(recorded.End, part.Span))
	t.recorded = held.End.Sub(held.Start)
	if r.Consumed == 0 && t.recorded > 0 { // the profiler had been asked, and did not record yet
		t.gaps = t.line.Lost(profile.Span{Start: r.Started.Add(r.Shift), End: held.Start}, profile.ProfilerStall)
	}
	t.gaps = append(t.gaps, t.line.Recorded(held)...)
	// The chunks of a session follow each other without a gap: what is still
	// owed of it up to here could not be read.
	t.gaps = append(t.gaps, t.line.Lost(span(r.Started, part.Span.End), profile.RecordingUnreadable)...)
	if rest := r.Until.Sub(part.Span.End); part.Last && rest > 0 && rest <= shortGap && r.Why != profile.JVMExited {
		t.gaps = append(t.gaps, t.line.Lost(span(part.Span.End, r.Until), r.Why)...) // settle would, in a window of its own
	}
	if part.Unfinished > 0 {
		t.gaps = append(t.gaps, t.line.Lost(span(part.Span.End, w.lastLife(r, f, part)), profile.ChunkUnfinished)...)
	}
	return t
}

// lastLife is when a chunk that is not finished was last written to. If nobody
// saw its JVM end, only the time of the file says so, which the application can
// set.
func (w *worker) lastLife(r *session.Recording, f *os.File, part recording.Part) time.Time {
	switch {
	case !w.died.IsZero():
		return w.died.Add(-r.Shift)
	case r.Why == profile.JVMExited: // an earlier worker saw it
		return r.Until
	}
	info, err := f.Stat()
	if err != nil {
		return part.Span.End
	}
	possible := profile.Span{Start: part.Span.End, End: w.clock.Now().Add(-r.Shift)}
	return recording.Clamp(recording.FirstClock(info.ModTime(), r.Steps, possible), possible)
}

// missing accounts for a recording that the application has removed: for the
// time up to the next one.
func (w *worker) missing(ctx context.Context, r *session.Recording, now time.Time, cause error) error {
	w.problem(cause)
	end := now
	for _, next := range w.marker.Recordings {
		if started := next.Started.Add(next.Shift); started.After(r.Started.Add(r.Shift)) {
			end = earlier(end, started)
		}
	}
	return w.tellLost(ctx, profile.Span{Start: r.Started.Add(r.Shift), End: end}, profile.RecordingMissing)
}

// consume marks the bytes of a window that is in the spool as consumed.
func (w *worker) consume(r *session.Recording, f *os.File, part recording.Part) error {
	if to := w.config.KeepRecordings; to != "" {
		path := filepath.Join(to, w.p.Key()+"-"+r.Session+".jfr")
		if err := recording.Preserve(f, path, r.Consumed, part.Bytes); err != nil {
			return err
		}
	}
	r.Consumed, r.Through, r.Written = max(r.Consumed, part.Bytes), part.End, part.Span.End
	if r.Phase == session.Ended && part.Last { // collect forgets it, and saves that
		return nil
	}
	if err := w.save(); err != nil {
		return err
	}
	if r.Phase != session.Ended {
		w.punch(r.Session, r.Kept, r.Consumed)
	}
	return nil
}

// punch gives the disk space of consumed chunks back. Not every file system
// can; then the recording is renewed when it has grown too large.
func (w *worker) punch(id string, from, to int64) {
	if f := w.files[id]; f != nil && from < to {
		_ = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, from, to-from)
	}
}

// allocated is the disk space of a recording.
func (w *worker) allocated(id string) int64 {
	f := w.files[id]
	if f == nil {
		return 0
	}
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512
	}
	return info.Size()
}
