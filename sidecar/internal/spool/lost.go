package spool

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// lostFile holds the losses that wait for the next window, so that they survive
// a restart.
const lostFile = "lost.json"

// saveLost writes the losses that wait, or removes the file when none do. On a
// disk so full that not even this fits, they are kept in memory only.
func (s *Spool) saveLost() {
	path := filepath.Join(s.dir, lostFile)
	if len(s.lost) == 0 {
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

func (s *Spool) loadLost() {
	path := filepath.Join(s.dir, lostFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		err = json.Unmarshal(data, &s.lost)
	}
	if err != nil {
		s.log.Error("read losses of an earlier run", "file", path, "error", err)
	}
}
