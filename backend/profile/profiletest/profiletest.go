// Package profiletest makes windows for tests.
package profiletest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

// Options shape a generated window. The zero value of a field means the default
// in its comment.
type Options struct {
	Seed    uint64
	Start   time.Time      // required; of the window
	Length  time.Duration  // a minute
	Target  profile.Target // service checkout, one pod
	Types   []profile.Type // cpu, alloc, lock
	Stacks  int            // samples taken of each type: 200
	Session string         // s1
	Lossy   bool           // with losses in the ledgers
}

// Window returns a valid window. Equal options give equal windows.
func Window(o Options) *profile.Window {
	o = withDefaults(o)
	w := &profile.Window{
		Target: o.Target, Session: o.Session, Start: o.Start.UTC(), End: o.Start.Add(o.Length).UTC(),
		Recorded: profile.Span{Start: o.Start.UTC(), End: o.Start.Add(o.Length).UTC()},
		Settings: profile.Settings{Engine: "ctimer", CPUInterval: 10 * time.Millisecond, AllocInterval: 512 << 10, LockThreshold: 10 * time.Millisecond},
	}
	w.ID = profile.NewWindowID(o.Target.SeriesID(), o.Session, o.Start)
	random := rand.New(rand.NewPCG(o.Seed, uint64(o.Start.Unix())))
	for _, t := range o.Types {
		b := profile.NewBuilder(t, profile.DefaultLimits())
		for range o.Stacks {
			amount := profile.Amount{Value: 1e7 * (1 + random.Int64N(5)), Count: 1 + random.Int64N(5)}
			b.Add(stack(b, t, random), amount)
			b.AddRaw(amount.Count)
		}
		if o.Lossy {
			b.Lose(profile.Dropped, profile.ProfilerSkipped, profile.Amount{Value: 1e7 * random.Int64N(9), Count: 3})
			b.Lose(profile.Truncated, profile.StackLimit, profile.Amount{Value: 2e7, Count: 2})
			b.Note(profile.Shortened, profile.StorageOverflow, profile.Amount{Value: 1e7, Count: 1})
			b.Note(profile.Unvalued, profile.IntervalUnknown, profile.Amount{Count: 1})
		}
		set, coverage := b.Build()
		w.Sets = append(w.Sets, set)
		w.Coverage = append(w.Coverage, coverage)
	}
	if o.Lossy {
		w.Losses = profile.AddLosses(nil, profile.Loss{Outcome: profile.Dropped, Reason: profile.ProfilerStall, Duration: 3 * time.Millisecond})
	}
	return w
}

// Sampled returns a valid window of CPU time whose samples, of 10 ms each, are in
// these stacks: Java functions, root first, with ";" between them.
func Sampled(o Options, samples map[string]int64) *profile.Window {
	o.Types = []profile.Type{}
	w := Window(o)
	b := profile.NewBuilder(profile.CPU, profile.DefaultLimits())
	for _, text := range slices.Sorted(maps.Keys(samples)) {
		var frames []uint32
		for name := range strings.SplitSeq(text, ";") {
			frames = append(frames, b.Function(name, profile.Java))
		}
		amount := profile.Amount{Value: samples[text] * 1e7, Count: samples[text]}
		b.Add(frames, amount)
		b.AddRaw(amount.Count)
	}
	set, coverage := b.Build()
	w.Sets, w.Coverage = append(w.Sets, set), append(w.Coverage, coverage)
	return w
}

// Lost returns a window that says only why nothing was recorded: it has no
// ledger of any type.
func Lost(o Options, reason profile.Reason) *profile.Window {
	o = withDefaults(o)
	w := &profile.Window{Target: o.Target, Session: o.Session, Start: o.Start.UTC(), End: o.Start.Add(o.Length).UTC()}
	w.ID = profile.NewWindowID(o.Target.SeriesID(), o.Session, o.Start)
	w.Losses = profile.AddLosses(nil, profile.Loss{Outcome: profile.Dropped, Reason: reason, Duration: o.Length})
	return w
}

func withDefaults(o Options) Options {
	if o.Length == 0 {
		o.Length = time.Minute
	}
	if o.Target.Service == "" {
		o.Target = Target("checkout", "checkout-0")
	}
	if o.Types == nil {
		o.Types = []profile.Type{profile.CPU, profile.Alloc, profile.Lock}
	}
	if o.Stacks == 0 {
		o.Stacks = 200
	}
	if o.Session == "" {
		o.Session = "s1"
	}
	return o
}

// Target returns a target of a service.
func Target(service, pod string) profile.Target {
	return profile.Target{
		Cluster: "prod", Namespace: "shop", Service: service, Version: "1.2.3", Pod: pod, PodUID: "uid-" + pod,
		Node: "node-1", Container: "app", PID: 7, JVMStart: time.Unix(1_700_000_000, 0).UTC(), JVMVersion: "21.0.4", MainClass: "shop.Main",
	}
}

// stack returns a stack of 2 to 12 frames, some of them recursive, below main.
func stack(b *profile.Builder, t profile.Type, random *rand.Rand) []uint32 {
	frames := []uint32{b.Function("java.lang.Thread.run", profile.Java)}
	for range 1 + random.IntN(10) {
		frames = append(frames, b.Function(fmt.Sprintf("shop.Service%d.call", random.IntN(30)), profile.Java))
	}
	switch t {
	case profile.Alloc, profile.Lock:
		frames = append(frames, b.Function(fmt.Sprintf("shop.Type%d", random.IntN(5)), profile.Class))
	default:
		frames = append(frames, b.Function("libc.so.6`memcpy", profile.Native))
	}
	return frames
}
