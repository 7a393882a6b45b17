package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/jfr"
	"github.com/podflame/podflame/sidecar/internal/safefile"
	"github.com/podflame/podflame/sidecar/internal/session"
	"golang.org/x/sys/unix"
)

// collect makes the windows that are complete at now, of every recording of the
// JVM; one that cannot be read now does not keep the others waiting. The first
// window that reaches up to now takes the losses, which are then nil. Recordings
// of ended sessions are read to the end and removed.
func (w *worker) collect(ctx context.Context, now time.Time, losses *[]profile.Loss) error {
	var failed error
	for _, r := range slices.Clone(w.marker.Recordings) {
		ended := r.Session != w.session
		d := drain{worker: w, ctx: ctx, id: r.Session, now: now, ended: ended, losses: losses}
		if err := d.run(); err != nil {
			failed = errors.Join(failed, fmt.Errorf("read recording of session %s: %w", r.Session, err))
			continue
		}
		if ended {
			w.dropRecording(r.Session)
		}
	}
	if len(w.marker.Recordings) == 0 {
		return failed
	}
	return errors.Join(failed, w.saveMarker())
}

// dropRecording forgets a recording. Removing the file comes last: until then
// its windows could be made again.
func (w *worker) dropRecording(id string) {
	if f := w.files[id]; f != nil {
		_ = f.Close()
		delete(w.files, id)
	}
	w.marker.Drop(id)
	if err := w.saveMarker(); err != nil {
		w.problem(err)
		return
	}
	err := w.as(func() error { return os.Remove(w.dir.Recording(id)) })
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.problem(err)
	}
}

// drain makes the windows of one recording.
type drain struct {
	*worker
	ctx    context.Context
	id     string
	now    time.Time
	ended  bool // the session is over: the last window may be shorter
	losses *[]profile.Loss
}

func (d *drain) entry() *session.Recording { return d.marker.Find(d.id) }

func (d *drain) run() error {
	f, err := d.file()
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, safefile.ErrNotRegular) {
		return d.missing(err)
	}
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	layout, err := jfr.Scan(f, d.entry().Consumed, info.Size())
	if err != nil {
		return err
	}
	d.entry().Kept = max(d.entry().Kept, firstChunkEnd(layout))
	groups := groupChunks(layout.Chunks, d.window, d.oldest(), time.Now())
	for i, g := range groups {
		last := i == len(groups)-1
		if !d.ended && d.now.Before(g.end) {
			break
		}
		end := g.bytesEnd()
		if d.ended && last {
			end = info.Size()
		}
		if err := d.makeWindow(f, g, end, info.ModTime()); err != nil {
			return err
		}
	}
	if d.ended && len(groups) == 0 {
		return d.nothingReadable(f, info)
	}
	return nil
}

// firstChunkEnd is where the chunk with the settings ends, in the scan that
// still sees the start of the file.
func firstChunkEnd(l jfr.Layout) int64 {
	if len(l.Chunks) > 0 && l.Chunks[0].Offset == 0 {
		return l.Chunks[0].Size
	}
	return 0
}

// oldest is before which no chunk can have been written.
func (d *drain) oldest() time.Time {
	e := d.entry()
	if e.Through.After(e.Started) {
		return e.Through
	}
	return e.Started
}

func (d *drain) file() (*os.File, error) {
	if f := d.files[d.id]; f != nil {
		return f, nil
	}
	err := d.as(func() error {
		f, err := safefile.Open(d.dir.Recording(d.id))
		if err == nil {
			d.files[d.id] = f
		}
		return err
	})
	return d.files[d.id], err
}

// makeWindow makes the window of a group that reaches to the byte end, puts it
// into the spool and only then gives its bytes up.
func (d *drain) makeWindow(f *os.File, g group, end int64, written time.Time) error {
	w := d.newWindow(d.id, g.start, g.end)
	takes := d.takesLosses(g)
	if takes {
		w.Losses = profile.AddLosses(nil, *d.losses...)
	}
	layout, err := jfr.Scan(f, d.entry().Consumed, end)
	if err != nil {
		return err
	}
	w.Losses = profile.AddLosses(w.Losses, layout.Losses...)
	if layout.Unfinished.Bytes > 0 {
		w.Losses = profile.AddLosses(w.Losses, unfinished(layout.Unfinished.Bytes, g.chunks[len(g.chunks)-1].End, written))
	}
	if err := d.decode(f, g, w); err != nil {
		return err
	}
	if err := d.put(d.ctx, w); err != nil {
		return err
	}
	if takes {
		*d.losses = nil
	}
	return d.consume(w, end)
}

// unfinished is the loss of a chunk that its JVM did not live to finish.
func unfinished(bytes int64, from, to time.Time) profile.Loss {
	return profile.Loss{Outcome: profile.Dropped, Reason: profile.ChunkUnfinished, Bytes: bytes, Duration: max(0, to.Sub(from))}
}

// takesLosses says whether the window of g is the one that tells the losses.
// They are its own only when it is in the spool: until then it may fail.
func (d *drain) takesLosses(g group) bool {
	return d.losses != nil && !g.end.Before(floor(d.now, d.window))
}

func (d *drain) decode(f *os.File, g group, w *profile.Window) error {
	o := d.config.Decode
	o.Types, o.Settings = d.types(), d.entry().Settings
	result, err := d.decoder.Decode(d.ctx, f, g.chunks, o)
	if err != nil { // no word about the recording: it is read again later
		return err
	}
	d.keepUnreadable(f, g, result.Losses)
	result.AddTo(w)
	d.entry().Settings = result.Settings
	return nil
}

// consume marks the bytes of a window that is in the spool as consumed.
func (d *drain) consume(w *profile.Window, end int64) error {
	e := d.entry()
	e.Consumed, e.Through = max(e.Consumed, end), w.End
	if err := d.saveMarker(); err != nil {
		return err
	}
	d.punch(e.Kept, e.Consumed)
	return nil
}

// punch gives the disk space of consumed chunks back. Not every file system
// can; then the recording is renewed when it has grown too large.
func (d *drain) punch(from, to int64) {
	f := d.files[d.id]
	if from >= to || d.ended || f == nil {
		return
	}
	_ = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, from, to-from)
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

// missing accounts for a recording that the application has removed.
func (d *drain) missing(cause error) error {
	if !d.entry().Begun {
		return nil // its begin was asked for, and did not happen
	}
	d.problem(cause)
	return d.lossOnly(profile.Loss{Outcome: profile.Dropped, Reason: profile.RecordingMissing, Duration: max(0, d.now.Sub(d.oldest()))}, 0)
}

// nothingReadable accounts for what an ended recording holds beyond its last
// finished chunk.
func (d *drain) nothingReadable(f *os.File, info os.FileInfo) error {
	layout, err := jfr.Scan(f, d.entry().Consumed, info.Size())
	if err != nil {
		return err
	}
	losses := layout.Losses
	if n := layout.Unfinished.Bytes; n > 0 {
		losses = profile.AddLosses(losses, unfinished(n, d.oldest(), info.ModTime()))
	}
	if len(losses) == 0 {
		return nil
	}
	return d.lossOnly(losses[0], info.Size(), losses[1:]...)
}

func (d *drain) lossOnly(first profile.Loss, end int64, more ...profile.Loss) error {
	start := floor(d.oldest(), d.window)
	w := d.newWindow(d.id, start, start.Add(d.window))
	w.Losses = profile.AddLosses(w.Losses, first)
	w.Losses = profile.AddLosses(w.Losses, more...)
	if err := d.put(d.ctx, w); err != nil {
		return err
	}
	return d.consume(w, end)
}
