package profile

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/cespare/xxhash/v2"
)

// FunctionID is a 64-bit hash of a function's kind and name: the beginning of
// their SHA-256. Equal functions have equal ids in every pod and after every
// restart. As the store keeps names by these ids, for all namespaces, nobody may
// be able to find a name that has the id of another's function: that takes 2^64
// attempts for a given one, and 2^44 for any one of a million.
func FunctionID(f Function) uint64 {
	buf := make([]byte, 0, 512) // longer ones are allocated
	buf = append(buf, byte(f.Kind), 0)
	return strongHash(append(buf, f.Name...))
}

// StackID is the 64-bit hash of the ids of a stack's functions, root first, as
// hard to hit as FunctionID: pods choose which functions are in a stack, and
// services of the same name in two namespaces share stacks.
func StackID(functions []uint64) uint64 {
	buf := make([]byte, 0, 8*len(functions))
	for _, id := range functions {
		buf = binary.LittleEndian.AppendUint64(buf, id)
	}
	return strongHash(buf)
}

func strongHash(data []byte) uint64 {
	sum := sha256.Sum256(data)
	return binary.LittleEndian.Uint64(sum[:])
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
