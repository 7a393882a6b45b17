package spool

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"github.com/podflame/podflame/backend/profile"
)

// lostFile holds the losses that wait for the next window, so that they survive
// a restart.
const lostFile = "lost.json"

// lost is what windows have reported that are no longer in the queue.
type lost struct {
	Losses  []profile.Loss     `json:"losses"`
	Ledgers []profile.Coverage `json:"ledgers"` // one per type, nothing stored
}

func (l *lost) empty() bool { return len(l.Losses) == 0 && len(l.Ledgers) == 0 }

// add takes over the ledgers of a window without stacks.
func (l *lost) add(w *profile.Window) {
	l.Losses = profile.AddLosses(l.Losses, w.Losses...)
	l.Ledgers = mergeLedgers(l.Ledgers, w.Coverage)
}

// report enters everything in the ledgers of a window.
func (l *lost) report(w *profile.Window) {
	w.Losses = profile.AddLosses(w.Losses, l.Losses...)
	w.Coverage = mergeLedgers(w.Coverage, l.Ledgers)
}

// mergeLedgers returns list with more added, type by type.
func mergeLedgers(list, more []profile.Coverage) []profile.Coverage {
	merged := append([]profile.Coverage(nil), list...)
	for _, c := range more {
		found := false
		for i := range merged {
			if merged[i].Type == c.Type {
				merged[i], found = profile.MergeCoverage(c.Type, merged[i], c), true
			}
		}
		if !found {
			merged = append(merged, c)
		}
	}
	return merged
}

// saveLost writes the losses that wait, or removes the file when none do. On a
// disk so full that not even this fits, they are kept in memory only.
func (s *Spool) saveLost() {
	path := filepath.Join(s.dir, lostFile)
	if s.lost.empty() {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.log.Error("remove reported losses", "file", path, "error", err)
		}
		return
	}
	data, err := json.Marshal(s.lost)
	if err == nil {
		err = renameio.WriteFile(path, data, 0o600)
	}
	if err != nil {
		s.log.Error("write losses that wait for the next window", "file", path, "error", err)
	}
}

// loadLost also reads the bare list of losses that version 0.1 wrote.
func (s *Spool) loadLost() {
	path := filepath.Join(s.dir, lostFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var read lost
	switch {
	case err != nil:
	case bytes.HasPrefix(data, []byte("[")):
		err = json.Unmarshal(data, &read.Losses)
	default:
		err = json.Unmarshal(data, &read)
	}
	if err != nil {
		s.log.Error("read losses of an earlier run", "file", path, "error", err)
		return
	}
	s.lost = read
}
