package jfr

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// RunChild is the child's side of a Decoder: what the hidden command "decode"
// does. It bounds itself first, then reads the chunks that it is asked for.
func RunChild(in io.Reader, out io.Writer) error {
	var req request
	if err := json.NewDecoder(io.LimitReader(in, maxRequest)).Decode(&req); err != nil {
		return fmt.Errorf("read request on standard input: %w; this command is for the sidecar's own use", err)
	}
	if err := boundSelf(&req); err != nil {
		return err
	}
	recording := os.NewFile(recordingFD, "recording")
	progress := os.NewFile(progressFD, "progress")
	if recording == nil || progress == nil {
		return fmt.Errorf("files %d and %d are not open; this command is for the sidecar's own use", recordingFD, progressFD)
	}
	tell := func(i int) { _ = binary.Write(progress, binary.BigEndian, uint32(i)) }
	result := decode(recording, req.Chunks, &req.Options, tell)
	tell(len(req.Chunks))
	return writeAnswer(out, &result, req.MaxOutputBytes, req.MaxFrames)
}

// HeapGrowth is by how many percent the heap grows until its garbage is collected, of a
// child and of the sidecar itself. Little lives in either, so that a small value saves
// private memory for some milliseconds of CPU a minute.
const HeapGrowth = 25

// What a process has mapped before it reads anything is far more than what is
// resident of it: runtimeBytes is enough for the latter. threadBytes are
// addresses of the stacks of threads to come, 8 MiB each where the binary is
// linked with the C library; next to nothing of them is ever resident.
const (
	runtimeBytes = 48 << 20
	threadBytes  = 32 << 20
)

// boundSelf limits this process. RLIMIT_DATA counts private writable memory as
// it is mapped, which Go does in steps of 4 MB as its heap grows, so it bounds
// what is resident; RLIMIT_AS would count the gigabyte of addresses that Go
// reserves and never uses. Where the limit is met the runtime ends the process.
func boundSelf(req *request) error {
	var largest int64
	for _, c := range req.Chunks {
		if c.Size <= req.Options.MaxChunkBytes {
			largest = max(largest, c.Size)
		}
	}
	debug.SetGCPercent(HeapGrowth)
	debug.SetMemoryLimit(max(req.MemoryBytes-largest-runtimeBytes, 16<<20))
	runtime.GC() // starts the collector's threads
	status, err := ownStatus()
	if err != nil {
		return err
	}
	mapped := int64(status.VmData) // what RLIMIT_DATA counts now
	for _, l := range []struct {
		name     string
		resource int
		value    uint64
	}{
		{"data", unix.RLIMIT_DATA, uint64(mapped + threadBytes + req.MemoryBytes - runtimeBytes)},
		{"CPU", unix.RLIMIT_CPU, req.CPUSeconds},
		{"core", unix.RLIMIT_CORE, 0},
		{"file size", unix.RLIMIT_FSIZE, 0},
	} {
		if err := unix.Setrlimit(l.resource, &unix.Rlimit{Cur: l.value, Max: l.value}); err != nil {
			return fmt.Errorf("limit %s to %d: %w", l.name, l.value, err)
		}
	}
	return nil
}

func ownStatus() (procfs.ProcStatus, error) {
	self, err := procfs.Self()
	if err != nil {
		return procfs.ProcStatus{}, fmt.Errorf("find own process: %w", err)
	}
	status, err := self.NewStatus()
	if err != nil {
		return procfs.ProcStatus{}, fmt.Errorf("read own status: %w", err)
	}
	return status, nil
}
