package agent

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/jfr"
)

// Bounds of what is kept of unreadable recordings.
const (
	maxKeptFiles = 8
	maxKeptBytes = 64 << 20 // of one file
)

// keepUnreadable copies the chunks of a window that could not be read whole, so
// that somebody can look at them. Each chunk is a recording of its own.
func (d *drain) keepUnreadable(f *os.File, g group, losses []profile.Loss) {
	if !d.config.KeepUnreadable || len(losses) == 0 {
		return
	}
	dir := filepath.Join(d.config.State, "unreadable")
	path := filepath.Join(dir, fmt.Sprintf("%s-%d.jfr", d.id, g.chunks[0].Offset))
	if err := keep(f, g.chunks, dir, path); err != nil {
		d.problem(fmt.Errorf("keep unreadable recording: %w", err))
		return
	}
	d.log.Warn("recording could not be read whole and is kept", "reason", losses[0].Reason, "file", path)
}

func keep(f *os.File, chunks []jfr.Chunk, dir, path string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	kept, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(kept) >= maxKeptFiles {
		return fmt.Errorf("%s holds %d files, which is the limit", dir, len(kept))
	}
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	room := int64(maxKeptBytes)
	for _, c := range chunks {
		n := min(c.Size, room)
		if _, err := io.Copy(out, io.NewSectionReader(f, c.Offset, n)); err != nil {
			_ = out.Close()
			return err
		}
		room -= n
	}
	return out.Close()
}
