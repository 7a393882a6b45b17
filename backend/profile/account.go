package profile

import "time"

// When the profile's account of CPU time and the kernel's are told apart.
const (
	kernelCPUDrift = 10  // percent of the kernel's
	driftSamples   = 100 // of a window with fewer the difference may be chance
	burstsMiss     = 50  // percent of the kernel's; what ticks miss of bursts is less, see missesBursts
)

// NoticeKernelCPU enters into the ledger of cpu that the profile holds much more
// or less CPU time than the kernel charged. Samples that were captured and lost
// are part of the profile's account.
func (w *Window) NoticeKernelCPU() {
	c := w.CoverageOf(CPU)
	if c == nil || w.KernelCPU == nil || c.Captured.Value == 0 {
		return
	}
	kernel := *w.KernelCPU
	drift := (time.Duration(c.Captured.Value) - kernel).Abs()
	if max(c.Captured.Count, kernelSamples(kernel, w.Settings)) < driftSamples || drift <= kernel*kernelCPUDrift/100 {
		return
	}
	reason := KernelCPUDiffers
	if missing := kernel - time.Duration(c.Captured.Value); w.Settings.missesBursts() && missing > 0 && missing <= kernel*burstsMiss/100 {
		reason = BurstsUndersampled
	}
	c.AddLoss(Noticed, reason, Amount{Value: int64(drift)})
}

// missesBursts says whether threads that run in short bursts get too few samples.
// The kernel looks at a timer of CPU time at its ticks only, and a thread that runs
// in bursts shorter than a tick meets some of them. The intervals that pass between
// two of these give one sample; those of a thread that ends before give none. By
// chance 1 - e^(-interval/tick) of the intervals are sampled: 92 % of 10 ms at a
// tick of 4 ms, where 88 to 90 % were measured, with and without a CPU limit; 99 %
// of 20 ms, where 98 to 100 % were.
func (s Settings) missesBursts() bool { return s.Engine == "ctimer" || s.Engine == "itimer" }

// kernelSamples is how many samples the kernel's account should have given: a
// profile that lost most of them has few itself.
func kernelSamples(kernel time.Duration, s Settings) int64 {
	if s.CPUInterval <= 0 {
		return 0
	}
	return int64(kernel / max(s.CPUInterval, s.Tick))
}
