//go:build !steppedclock

package main

import "github.com/podflame/podflame/sidecar/internal/agent"

// clock is the clock of the agent; nil is that of the host.
func clock() agent.Clock { return nil }
