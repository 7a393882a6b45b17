package main

import (
	"strings"
	"testing"
)

func TestLimitsOfWindowsBelowOneAreRefused(t *testing.T) {
	good := LimitFlags{MaxEvents: 1, MaxStacks: 1, MaxDepth: 1, MaxName: 1, MaxFunctions: 1, MaxThreads: 1}
	if err := good.check(); err != nil {
		t.Error(err)
	}
	for flag, spoil := range map[string]func(*LimitFlags){
		"--max-events=0":    func(f *LimitFlags) { f.MaxEvents = 0 },
		"--max-stacks=-1":   func(f *LimitFlags) { f.MaxStacks = -1 },
		"--max-depth=0":     func(f *LimitFlags) { f.MaxDepth = 0 },
		"--max-name=0":      func(f *LimitFlags) { f.MaxName = 0 },
		"--max-functions=0": func(f *LimitFlags) { f.MaxFunctions = 0 },
		"--max-threads=0":   func(f *LimitFlags) { f.MaxThreads = 0 },
	} {
		bad := good
		spoil(&bad)
		if err := bad.check(); err == nil || !strings.Contains(err.Error(), flag+" is below 1") {
			t.Errorf("%s: %v", flag, err)
		}
	}
}
