package recording

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/podflame/podflame/sidecar/internal/jfr"
)

// Bounds of what is kept of unreadable recordings.
const (
	maxKeptFiles = 8
	maxKeptBytes = 64 << 20 // of one file
)

// Preserve copies bytes of a recording that are about to be given up to the same
// place of another file.
func Preserve(f *os.File, path string, from, to int64) error {
	if from >= to {
		return nil
	}
	out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keep recording: %w", err)
	}
	_, err = io.Copy(io.NewOffsetWriter(out, from), io.NewSectionReader(f, from, to-from))
	if err = errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("keep recording: %w", err)
	}
	return nil
}

// keep copies the chunks of a window that could not be read whole, so that
// somebody can look at them. Each chunk is a recording of its own.
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
