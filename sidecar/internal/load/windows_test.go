package load

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

// The shape of a busy service: 30,000 stacks, 20 to 120 frames deep, of which a pod
// sends some 3,300 a minute.
const (
	universeStacks = 30_000
	windowStacks   = 3_300
)

// universe makes windows of one service.
type universe struct {
	set    profile.StackSet
	random *rand.Rand
	names  string
}

func newUniverse(seed uint64, stacks int) *universe {
	u := &universe{random: rand.New(rand.NewPCG(seed, 0)), names: fmt.Sprintf("com.example.shop%d", seed)}
	b := profile.NewBuilder(profile.CPU, profile.Limits{})
	var frames []uint32
	for range stacks {
		frames = frames[:min(len(frames), 5+u.random.IntN(100))]
		for depth := 20 + u.random.IntN(100); len(frames) < depth; {
			frames = append(frames, b.Function(fmt.Sprintf("%s.module%02d.ServiceImpl.handle%d", u.names, u.random.IntN(50), u.random.IntN(200)), profile.Java))
		}
		b.Add(frames, profile.Amount{Value: 1e7, Count: 1})
	}
	u.set, _ = b.Build()
	return u
}

func target(namespace string, pod int) profile.Target {
	return profile.Target{
		Cluster: "default", Namespace: namespace, Service: "shop", Version: "1", Pod: fmt.Sprint("pod-", pod), PodUID: fmt.Sprintf("%s-%d", namespace, pod),
		Node: fmt.Sprint("node-", pod%20), Container: "app", PID: 7, JVMStart: time.Unix(1_700_000_000, 0), JVMVersion: "21", MainClass: "shop.Main",
	}
}

// window is one of a pod with some stacks of the universe.
func (u *universe) window(of profile.Target, start time.Time, stacks int) *profile.Window {
	b := profile.NewBuilder(profile.CPU, profile.Limits{})
	numbers := make([]uint32, len(u.set.Functions))
	for i, f := range u.set.Functions {
		numbers[i] = b.Function(f.Name, f.Kind)
	}
	first := u.random.IntN(len(u.set.Stacks) - stacks + 1)
	var frames []uint32
	for _, s := range u.set.Stacks[first : first+stacks] {
		frames = frames[:0]
		for _, f := range s.Frames {
			frames = append(frames, numbers[f])
		}
		b.Add(frames, profile.Amount{Value: 1e7, Count: 1})
	}
	w := &profile.Window{Target: of, Session: "s", Start: start, End: start.Add(time.Minute), Settings: profile.Settings{Engine: "ctimer", CPUInterval: 10 * time.Millisecond}}
	w.ID = profile.NewWindowID(of.SeriesID(), w.Session, start)
	set, coverage := b.Build()
	w.Sets, w.Coverage = []profile.StackSet{set}, []profile.Coverage{coverage}
	return w
}

// shapes are windows that are sent as those of many pods: to make each of its own
// would take what is measured.
func (u *universe) shapes(n, stacks int, types ...profile.Type) []*profile.Window {
	var list []*profile.Window
	for range n {
		w := &profile.Window{}
		for _, of := range types {
			one := u.window(target("shop", 0), time.Unix(60, 0), stacks)
			set, coverage := one.Sets[0], one.Coverage[0]
			set.Type, coverage.Type = of, of
			w.Settings, w.Sets, w.Coverage = one.Settings, append(w.Sets, set), append(w.Coverage, coverage)
		}
		list = append(list, w)
	}
	return list
}

// as is a shape as the window of a pod.
func as(shape *profile.Window, of profile.Target, start time.Time) *profile.Window {
	w := *shape
	w.Target, w.Session, w.Start, w.End = of, "s", start, start.Add(time.Minute)
	w.ID = profile.NewWindowID(of.SeriesID(), w.Session, start)
	return &w
}

func encode(t *testing.T, w *profile.Window) []byte {
	t.Helper()
	body, err := profile.Encode(w)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// minutes are the last n whole minutes, oldest first.
func minutes(n int) []time.Time {
	now := time.Now().UTC().Truncate(time.Minute)
	var list []time.Time
	for i := range n {
		list = append(list, now.Add(-time.Duration(i+1)*time.Minute))
	}
	slices.Reverse(list)
	return list
}
