package profile

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/cespare/xxhash/v2"
)

// FunctionID is the 64-bit hash of a function's kind and name. Equal functions
// have equal ids in every pod and after every restart.
func FunctionID(f Function) uint64 {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.Write([]byte{byte(f.Kind), 0})
	_, _ = d.WriteString(f.Name)
	return d.Sum64()
}

// StackID is the 64-bit hash of the ids of a stack's functions, root first.
func StackID(functions []uint64) uint64 {
	var d xxhash.Digest
	var buf [8]byte
	d.Reset()
	for _, id := range functions {
		binary.LittleEndian.PutUint64(buf[:], id)
		_, _ = d.Write(buf[:])
	}
	return d.Sum64()
}

// SeriesID identifies one JVM process: the hash of cluster, namespace, pod uid
// (the pod's name where there is no uid), container, pid and JVM start.
func (t Target) SeriesID() uint64 {
	pod := t.PodUID
	if pod == "" {
		pod = t.Pod
	}
	var d xxhash.Digest
	d.Reset()
	for _, part := range []string{t.Cluster, t.Namespace, pod, t.Container} {
		writeLength(&d, uint64(len(part)))
		_, _ = d.WriteString(part)
	}
	writeLength(&d, uint64(t.PID))
	writeLength(&d, uint64(t.JVMStart.UnixMilli()))
	return d.Sum64()
}

func writeLength(d *xxhash.Digest, n uint64) {
	var buf [8]byte
	binary.LittleEndian.PutUint64(buf[:], n)
	_, _ = d.Write(buf[:])
}

// NewWindowID derives the id of the window that starts at start in a session of
// a series. It depends on nothing else, so a sidecar that builds the same
// window again after a crash gives it the same id.
func NewWindowID(series uint64, session string, start time.Time) WindowID {
	h := sha256.New()
	var buf [16]byte
	binary.LittleEndian.PutUint64(buf[:8], series)
	binary.LittleEndian.PutUint64(buf[8:], uint64(start.Unix()))
	_, _ = h.Write(buf[:])
	_, _ = h.Write([]byte(session))
	return WindowID(h.Sum(nil)[:16])
}

// String returns the id as 32 hexadecimal digits.
func (id WindowID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText implements encoding.TextMarshaler.
func (id WindowID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *WindowID) UnmarshalText(text []byte) error {
	if len(text) != 2*len(id) {
		return fmt.Errorf("window id %.40q has %d characters, not %d", text, len(text), 2*len(id))
	}
	_, err := hex.Decode(id[:], text)
	if err != nil {
		return fmt.Errorf("window id %q: %w", text, err)
	}
	return nil
}
