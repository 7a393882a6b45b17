package jfr

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/safefile"
)

// extent is where Scan finds a chunk.
type extent struct{ Offset, Size int64 }

// found is a Layout without the times.
type found struct {
	Chunks     []extent
	Unfinished Region
	Losses     []profile.Loss
	Next       int64
}

func scanBytes(t testing.TB, b []byte) found {
	t.Helper()
	layout, err := Scan(bytesReader(b), 0, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	f := found{Unfinished: layout.Unfinished, Losses: layout.Losses, Next: layout.Next}
	for _, c := range layout.Chunks {
		f.Chunks = append(f.Chunks, extent{c.Offset, c.Size})
	}
	return f
}

func unreadable(n int64) []profile.Loss {
	return []profile.Loss{{Outcome: profile.Dropped, Reason: profile.RecordingUnreadable, Bytes: n}}
}

func TestScan(t *testing.T) {
	a, b := readFixture(t, "cpu"), readFixture(t, "cpu-ctimer")
	open := readFixture(t, "killed-singlechunk")
	la, lb, lo := int64(len(a)), int64(len(b)), int64(len(open))
	zeros := func(n int) []byte { return make([]byte, n) }
	withSize := func(chunk []byte, size uint64) []byte {
		out := slices.Clone(chunk)
		binary.BigEndian.PutUint64(out[8:], size)
		return out
	}
	unfinished := []profile.Loss{{Outcome: profile.Dropped, Reason: profile.ChunkUnfinished, Bytes: lo}}
	for _, tt := range []struct {
		name string
		file []byte
		want found
	}{
		{"empty", nil, found{}},
		{"one chunk", a, found{Chunks: []extent{{0, la}}, Next: la}},
		{"two chunks", slices.Concat(a, b), found{Chunks: []extent{{0, la}, {la, lb}}, Next: la + lb}},
		{"unfinished only", open, found{Unfinished: Region{0, lo}}},
		{"unfinished at the end", slices.Concat(a, open), found{Chunks: []extent{{0, la}}, Unfinished: Region{la, lo}, Next: la}},
		{"unfinished in the middle", slices.Concat(a, open, b), found{Chunks: []extent{{0, la}, {la + lo, lb}}, Losses: unfinished, Next: la + lo + lb}},
		{"a header just begun", slices.Concat(a, b[:30]), found{Chunks: []extent{{0, la}}, Unfinished: Region{la, 30}, Next: la}},
		{"a magic just begun", slices.Concat(a, b[:2]), found{Chunks: []extent{{0, la}}, Unfinished: Region{la, 2}, Next: la}},
		{"punched prefix", slices.Concat(zeros(100_000), b), found{Chunks: []extent{{100_000, lb}}, Next: 100_000 + lb}},
		{"punched middle", slices.Concat(a, zeros(70_000), b), found{Chunks: []extent{{0, la}, {la + 70_000, lb}}, Next: la + 70_000 + lb}},
		{"only zeros", zeros(200_000), found{}},
		{"junk before", slices.Concat([]byte("junk"), a), found{Chunks: []extent{{4, la}}, Losses: unreadable(4), Next: 4 + la}},
		{"junk between", slices.Concat(a, []byte("FLR\x00 junk"), b), found{Chunks: []extent{{0, la}, {la + 9, lb}}, Losses: unreadable(9), Next: la + 9 + lb}},
		{"junk behind", slices.Concat(a, []byte(strings.Repeat("junk", 30))), found{Chunks: []extent{{0, la}}, Losses: unreadable(120), Next: la}},
		{"no recording", []byte(strings.Repeat("PK\x03\x04", 50_000)), found{Losses: unreadable(200_000)}},
		{"size 1 GB", withSize(a, 1<<30), found{Chunks: []extent{{0, la}}, Next: la}},
		{"size 1 GB, another follows", slices.Concat(withSize(a, 1<<30), b), found{Chunks: []extent{{0, la}, {la, lb}}, Next: la + lb}},
		{"size negative", slices.Concat(withSize(a, 1<<63), b), found{Chunks: []extent{{0, la}, {la, lb}}, Next: la + lb}},
		{"size 0", slices.Concat(withSize(a, 0), b), found{Chunks: []extent{{0, la}, {la, lb}}, Next: la + lb}},
		{"size too small", slices.Concat(withSize(a, 500), b), found{Chunks: []extent{{0, la}, {la, lb}}, Next: la + lb}},
		{"truncated before its pools", a[:9000], found{Losses: unreadable(9000), Next: 9000}},
		{"truncated, another follows", slices.Concat(a[:9000], b), found{Chunks: []extent{{9000, lb}}, Losses: unreadable(9000), Next: 9000 + lb}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := scanBytes(t, tt.file)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("layout (-want +got):\n%s", diff)
			}
		})
	}
}

func TestScanContinues(t *testing.T) {
	file := readFixture(t, "multichunk")
	whole := scanBytes(t, file)
	var chunks []extent
	next := int64(0)
	for end := int64(0); end < int64(len(file)); {
		end = min(end+100_000, int64(len(file)))
		layout, err := Scan(bytesReader(file[:end]), next, end)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range layout.Chunks {
			if c.Offset+c.Size == end && end < int64(len(file)) {
				break // cut where it may go on
			}
			chunks = append(chunks, extent{c.Offset, c.Size})
			next = c.Offset + c.Size
		}
	}
	if diff := cmp.Diff(whole.Chunks, chunks); diff != "" {
		t.Errorf("chunks (-at once +while the file grows):\n%s", diff)
	}
}

func TestChunkTimesAreContiguous(t *testing.T) {
	_, layout := openFixture(t, "multichunk")
	if len(layout.Chunks) != 3 {
		t.Fatalf("%d chunks", len(layout.Chunks))
	}
	for i, c := range layout.Chunks[1:] {
		if before := layout.Chunks[i]; !c.Start.Equal(before.End) {
			t.Errorf("chunk %d begins at %s, the one before ends at %s", i+1, c.Start, before.End)
		}
	}
}

func TestScanSkipsHolesOfAnySize(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "sparse")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	chunk := readFixture(t, "cpu")
	const at = 4 << 40
	if _, err := f.WriteAt(chunk, at); err != nil {
		t.Skipf("the file system has no files of %d bytes: %v", int64(at), err)
	}
	const end = at + 1<<40
	if err := f.Truncate(end); err != nil {
		t.Fatal(err)
	}
	layout, err := Scan(f, 0, end)
	if err != nil {
		t.Fatal(err)
	}
	if len(layout.Chunks) != 1 || layout.Chunks[0].Offset != at || len(layout.Losses) != 0 {
		t.Errorf("layout %+v", layout)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	file, link, fifo := filepath.Join(dir, "file"), filepath.Join(dir, "link"), filepath.Join(dir, "fifo")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Symlink(file, link), syscall.Mkfifo(fifo, 0o600)); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	socket := filepath.Join(dir, "socket")
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: socket}); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{link: "symbolic link", fifo: "FIFO", dir: "directory", socket: "socket", "/dev/null": "device"} {
		f, err := Open(path)
		if !errors.Is(err, safefile.ErrNotRegular) || !strings.Contains(err.Error(), says) {
			t.Errorf("open %s: %v, %v", path, f, err)
		}
	}
	if f, err := Open(file); err != nil || f.Close() != nil {
		t.Errorf("open a file: %v", err)
	}
}
