// Package spool is the sidecar's bounded queue on disk between building a
// window and its upload. One window is one file, and the file is the body of
// the upload, so a window waits through any restart and is sent as it was
// built.
//
// Nothing leaves the queue without a trace. A window that must go, because the
// queue is full or the window too old or refused, is replaced by its remains: the same
// window with the same id, without its stacks, whose ledger says why they are
// missing. Remains are a few hundred bytes and are uploaded like any window.
// Only when the queue is full of remains are the oldest of them removed; their
// time is then entered as a loss in the next window that comes.
package spool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/renameio/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/podflame/podflame/backend/profile"
)

// Limits bound the queue.
type Limits struct {
	Bytes int64         // of all files
	Age   time.Duration // of a window, from its start
	Files int           // windows and remains
}

// DefaultLimits hold a few days of ordinary windows.
func DefaultLimits() Limits {
	return Limits{Bytes: 128 << 20, Age: 6 * time.Hour, Files: 20_000}
}

// Files of the queue. The name before the extension is the window's start in
// Unix seconds, ten digits, and its id, so that names sort by age.
const (
	windowExt  = ".window"
	remainsExt = ".remains"
)

// Entry is one file of the queue.
type Entry struct {
	Name    string
	Size    int64
	Start   time.Time // of the window
	Remains bool      // its stacks are lost
}

// Spool is the queue. It is safe for concurrent use; one process owns a
// directory.
type Spool struct {
	dir     string
	limits  Limits
	log     *slog.Logger
	now     func() time.Time
	metrics *metrics

	mu      sync.Mutex
	entries []Entry       // oldest first
	bytes   int64         // of entries
	lost    lost          // of remains that were removed; goes into the next window
	dropped int64         // windows turned into remains since Open
	changed chan struct{} // holds one token after a Put
}

// Open reads the queue in dir, which it makes if it is missing, and brings it
// within its limits.
func Open(dir string, limits Limits, log *slog.Logger, reg prometheus.Registerer) (*Spool, error) {
	return open(dir, limits, log, reg, time.Now)
}

func open(dir string, limits Limits, log *slog.Logger, reg prometheus.Registerer, now func() time.Time) (*Spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make spool directory %s: %w", dir, err)
	}
	s := &Spool{dir: dir, limits: limits, log: log, now: now, metrics: newMetrics(reg), changed: make(chan struct{}, 1)}
	if err := s.scan(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loadLost()
	s.enforce()
	return s, nil
}

// scan lists the files and removes what an interrupted write left.
func (s *Spool) scan() error {
	files, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("read spool directory %s: %w", s.dir, err)
	}
	for _, file := range files {
		if file.Name() == lostFile {
			continue
		}
		entry, ok := parseName(file.Name())
		info, err := file.Info()
		if !ok || err != nil || !info.Mode().IsRegular() {
			if err := os.RemoveAll(filepath.Join(s.dir, file.Name())); err != nil {
				return fmt.Errorf("remove stray spool file: %w", err)
			}
			continue
		}
		entry.Size = info.Size()
		s.insert(entry)
	}
	return nil
}

func parseName(name string) (Entry, bool) {
	ext := filepath.Ext(name)
	seconds, id, ok := strings.Cut(strings.TrimSuffix(name, ext), "-")
	start, err := strconv.ParseInt(seconds, 10, 64)
	if !ok || err != nil || len(seconds) != 10 || len(id) != 32 || (ext != windowExt && ext != remainsExt) {
		return Entry{}, false
	}
	return Entry{Name: name, Start: time.Unix(start, 0), Remains: ext == remainsExt}, true
}

// extOf tells a window from one that has no stacks to lose.
func extOf(w *profile.Window) string {
	if len(w.Sets) == 0 {
		return remainsExt
	}
	return windowExt
}

func nameOf(w *profile.Window, ext string) string {
	return fmt.Sprintf("%010d-%s%s", w.Start.Unix(), w.ID, ext)
}

// Put writes a window to the queue and returns when it is on disk. Losses that
// the queue has not been able to report otherwise are entered in w first. A
// window with the id of one that still waits replaces it, unless that one holds
// more samples: a sidecar that has lost its marker may make a window again, of
// what is left of its recording.
func (s *Spool) Put(ctx context.Context, w *profile.Window) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holdsMore(w) {
		return nil
	}
	reported := s.lost
	reported.report(w)
	s.lost = lost{}
	if err := s.write(w, extOf(w)); err != nil {
		s.lost.Losses = profile.AddLosses(s.lost.Losses, reported.Losses...)
		s.lost.Ledgers = mergeLedgers(s.lost.Ledgers, reported.Ledgers)
		return err
	}
	s.saveLost()
	s.enforce()
	s.signal()
	return nil
}

// holdsMore says whether a window of the same id waits with more samples.
func (s *Spool) holdsMore(w *profile.Window) bool {
	i, found := s.find(nameOf(w, windowExt))
	if !found {
		return false
	}
	waiting, err := s.load(s.entries[i])
	return err == nil && captured(waiting) > captured(w)
}

func captured(w *profile.Window) int64 {
	n := int64(0)
	for _, c := range w.Coverage {
		n += c.Captured.Count
	}
	return n
}

func (s *Spool) signal() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// write writes w and makes room for it if the disk is full.
func (s *Spool) write(w *profile.Window, ext string) error {
	err := s.writeOnce(w, ext)
	for errors.Is(err, errNoSpace) && s.shrink(profile.SpoolFull) {
		err = s.writeOnce(w, ext)
	}
	return err
}

// writeOnce encodes w into a file of its own by temporary file, fsync and
// rename. It replaces an entry with the same id.
func (s *Spool) writeOnce(w *profile.Window, ext string) error {
	body, err := profile.Encode(w)
	if err != nil {
		return fmt.Errorf("encode window %s: %w", w.ID, err)
	}
	path := filepath.Join(s.dir, nameOf(w, ext))
	if err := renameio.WriteFile(path, body, 0o600); err != nil {
		return fmt.Errorf("write spool file %s of %d bytes: %w", path, len(body), err)
	}
	entry, _ := parseName(filepath.Base(path))
	entry.Size = int64(len(body))
	s.insert(entry)
	for _, other := range []string{windowExt, remainsExt} {
		if other != ext {
			s.remove(nameOf(w, other))
		}
	}
	return nil
}

// insert adds or replaces an entry.
func (s *Spool) insert(e Entry) {
	i, found := s.find(e.Name)
	if found {
		s.bytes += e.Size - s.entries[i].Size
		s.entries[i] = e
	} else {
		s.entries = slices.Insert(s.entries, i, e)
		s.bytes += e.Size
	}
	s.report()
}

func (s *Spool) find(name string) (int, bool) {
	return slices.BinarySearchFunc(s.entries, name, func(e Entry, name string) int { return strings.Compare(e.Name, name) })
}

// remove deletes an entry and its file.
func (s *Spool) remove(name string) {
	i, found := s.find(name)
	if !found {
		return
	}
	if err := os.Remove(filepath.Join(s.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Error("remove spool file", "file", name, "error", err)
	}
	s.bytes -= s.entries[i].Size
	s.entries = slices.Delete(s.entries, i, i+1)
	s.report()
}

// Oldest returns the entry that has waited longest, after expiring those that
// have waited too long. ok is false if the queue is empty.
func (s *Spool) Oldest() (e Entry, ok bool) { return s.Next(func(Entry) bool { return false }) }

// Next is Oldest among the entries that are not to be left out.
func (s *Spool) Next(leaveOut func(Entry) bool) (e Entry, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.enforce()
	i := slices.IndexFunc(s.entries, func(e Entry) bool { return !leaveOut(e) })
	if i < 0 {
		return Entry{}, false
	}
	return s.entries[i], true
}

// Body returns the upload of an entry. A file that cannot be read back is a
// loss, and is removed.
func (s *Spool) Body(e Entry) ([]byte, error) {
	body, err := os.ReadFile(filepath.Join(s.dir, e.Name))
	if err == nil {
		return body, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.giveUp(e, profile.SpoolUnreadable)
	return nil, fmt.Errorf("read spool file %s: %w", e.Name, err)
}

// Done removes an entry that the backend has acknowledged.
func (s *Spool) Done(e Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(e.Name)
}

// DoneAs removes an entry under whose id the backend keeps another content. What
// the stored amounts lack of it is a loss, which the next window reports. A loss
// in the ledger of the entry is told by what is stored, or was none after all.
func (s *Spool) DoneAs(e Entry, stored map[profile.Type]profile.Amount, reason profile.Reason) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w, err := s.load(e); err == nil {
		s.lost.Ledgers = mergeLedgers(s.lost.Ledgers, missing(w.Coverage, stored, reason))
		s.saveLost()
	}
	s.remove(e.Name)
}

// missing is what of the ledgers' stored amounts is not in stored.
func missing(ledgers []profile.Coverage, stored map[profile.Type]profile.Amount, reason profile.Reason) []profile.Coverage {
	var out []profile.Coverage
	for _, c := range ledgers {
		has := stored[c.Type]
		lacks := profile.Amount{Value: max(0, c.Stored.Value-has.Value), Count: max(0, c.Stored.Count-has.Count)}
		if lacks == (profile.Amount{}) {
			continue
		}
		of := profile.Coverage{Type: c.Type, Captured: lacks}
		of.AddLoss(profile.Dropped, reason, lacks)
		out = append(out, of)
	}
	return out
}

// Refuse takes an entry out of the queue that the backend will never accept.
// Its remains are queued in its place; refused remains are given up.
func (s *Spool) Refuse(e Entry, reason profile.Reason) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.Remains {
		s.giveUp(e, reason)
		return
	}
	s.strip(e, reason)
}

// Changed receives after a Put.
func (s *Spool) Changed() <-chan struct{} { return s.changed }

// Stats describes the queue.
type Stats struct {
	Windows    int
	Bytes      int64
	LimitBytes int64
	Oldest     time.Duration // age of the oldest window, from its start
	Dropped    int64         // windows that lost their stacks here since the start of the process
}

// Stats returns the state of the queue.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := Stats{Windows: len(s.entries), Bytes: s.bytes, LimitBytes: s.limits.Bytes, Dropped: s.dropped}
	if len(s.entries) > 0 {
		stats.Oldest = max(0, s.now().Sub(s.entries[0].Start))
	}
	return stats
}
