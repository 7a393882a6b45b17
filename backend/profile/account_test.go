package profile

import (
	"testing"
	"time"
)

func TestNoticeKernelCPU(t *testing.T) {
	second := time.Second
	tests := map[string]struct {
		engine  string
		samples int64 // of 10 ms
		kernel  *time.Duration
		reason  Reason
		want    int64 // ns of the notice; 0: none
	}{
		"equal":            {"perf", 200, new(2 * second), "", 0},
		"9 % less":         {"perf", 182, new(2 * second), "", 0},
		"11 % less":        {"perf", 178, new(2 * second), KernelCPUDiffers, 220e6},
		"11 % more":        {"perf", 222, new(2 * second), KernelCPUDiffers, 220e6},
		"few samples":      {"perf", 40, new(second / 2), "", 0},
		"most were lost":   {"perf", 40, new(2 * second), KernelCPUDiffers, 16e8},
		"not known":        {"perf", 200, nil, "", 0},
		"nothing charged":  {"perf", 200, new(0 * second), KernelCPUDiffers, 2e9},
		"values not known": {"perf", 0, new(2 * second), "", 0},

		"9 % less at ticks":        {"ctimer", 182, new(2 * second), "", 0},
		"23 % less at ticks":       {"ctimer", 1150, new(15 * second), BurstsUndersampled, 35e8},
		"half at ticks":            {"itimer", 100, new(2 * second), BurstsUndersampled, 1e9},
		"less than half at ticks":  {"ctimer", 99, new(2 * second), KernelCPUDiffers, 101e7},
		"11 % more at ticks":       {"ctimer", 222, new(2 * second), KernelCPUDiffers, 220e6},
		"an engine without a name": {"", 178, new(2 * second), KernelCPUDiffers, 220e6},
	}
	for name, test := range tests {
		b := NewBuilder(CPU, Limits{})
		b.Add([]uint32{b.Function("a", Java)}, Amount{Value: test.samples * 10e6, Count: max(test.samples, 1)})
		_, coverage := b.Build()
		w := Window{KernelCPU: test.kernel, Coverage: []Coverage{coverage}, Settings: Settings{Engine: test.engine, CPUInterval: 10 * time.Millisecond}}
		w.NoticeKernelCPU()
		var reason Reason
		var got int64
		for _, l := range w.Coverage[0].Losses {
			if l.Outcome == Noticed {
				reason, got = l.Reason, l.Value
			}
		}
		if got != test.want || reason != test.reason {
			t.Errorf("%s: %q of %d ns is noticed, want %q of %d", name, reason, got, test.reason, test.want)
		}
	}
	(&Window{KernelCPU: new(second)}).NoticeKernelCPU() // a window without the type
}
