//go:build steppedclock

package main

import (
	"encoding/binary"
	"os"
	"time"

	"github.com/podflame/podflame/sidecar/internal/agent"
)

// steppedClock is the host's, and the nanoseconds that stand in a file: a test
// sets it. No released program has it.
type steppedClock struct {
	agent.Clock
	path string
}

func clock() agent.Clock { return steppedClock{agent.SystemClock(), os.Getenv("STEPPED_CLOCK")} }

func (c steppedClock) Now() time.Time {
	offset, err := os.ReadFile(c.path)
	if err != nil || len(offset) != 8 {
		panic("STEPPED_CLOCK is no file of 8 bytes: " + c.path)
	}
	return c.Clock.Now().Add(time.Duration(binary.NativeEndian.Uint64(offset)))
}
