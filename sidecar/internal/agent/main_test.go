package agent

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/jfr"
	"github.com/podflame/podflame/sidecar/internal/jvmtest"
	"github.com/podflame/podflame/sidecar/internal/recording"
	"github.com/podflame/podflame/sidecar/internal/session"
	"github.com/podflame/podflame/sidecar/internal/target"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

// TestMain is also the child that decodes.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "decode" {
		if err := jfr.RunChild(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// memory is a spool that keeps windows for the test to look at.
type memory struct {
	mu      sync.Mutex
	windows []profile.Window
	refuse  error
}

func (m *memory) Put(_ context.Context, w *profile.Window) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refuse != nil {
		return m.refuse
	}
	m.windows = append(m.windows, *w)
	return nil
}

func (m *memory) all() []profile.Window {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.windows)
}

// profiled returns the windows with samples.
func (m *memory) profiled() []profile.Window {
	return slices.DeleteFunc(m.all(), func(w profile.Window) bool { return len(w.Sets) == 0 })
}

func (m *memory) loss(r profile.Reason) (total profile.Loss) {
	for _, w := range m.all() {
		for _, l := range w.Losses {
			if l.Reason == r {
				total.Duration += l.Duration
				total.Bytes += l.Bytes
				total.Count++
			}
		}
	}
	return total
}

// bench is an agent with one JVM.
type bench struct {
	*testing.T
	jvm     *jvmtest.JVM
	config  Config
	spool   *memory
	decoder recording.Decoder
	agent   *Agent
	stop    func()
}

func newBench(t *testing.T, o jvmtest.Options) *bench {
	t.Helper()
	j := jvmtest.Start(t, o)
	c := Config{
		Settings: contract.DefaultSettings(), State: t.TempDir(),
		Library: jvmtest.Library(t), PIDs: []int{j.PID}, Limits: DefaultLimits(), Decode: jfr.DefaultOptions(),
	}
	c.Libraries = filepath.Join(jvmtest.SharedDir(t), "shared")
	c.Volumes = session.Volumes{c.Libraries}
	c.Settings.Window, c.Settings.SampleRate = 5*time.Second, 0
	c.Limits.StartDelay, c.Limits.ScanInterval, c.Limits.RetryInterval = 0, 200*time.Millisecond, 500*time.Millisecond
	return &bench{T: t, jvm: j, config: c, spool: &memory{}, decoder: jfr.NewDecoder()}
}

// start starts the agent; stop ends it and waits.
func (b *bench) start() {
	b.Helper()
	procs, err := target.NewFinder("/proc")
	if err != nil {
		b.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(b.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	b.agent, err = New(b.config, procs, b.spool, b.decoder, log, prometheus.NewRegistry())
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := b.agent.Run(ctx); err != nil {
			b.Errorf("agent: %v", err)
		}
	}()
	b.stop = sync.OnceFunc(func() { cancel(); <-done })
	b.Cleanup(b.stop)
}

func (b *bench) status() TargetStatus {
	for _, s := range b.agent.Status() {
		if s.Target.PID == b.jvm.PID {
			return s
		}
	}
	return TargetStatus{}
}

func (b *bench) await(what string, ok func() bool) {
	b.Helper()
	jvmtest.Eventually(b.T, jvmtest.Patience, what, ok)
}

func (b *bench) awaitReason(r profile.Reason) {
	b.Helper()
	b.await("reason "+string(r), func() bool {
		return b.status().Reason == r && b.status().State != "" || b.status().Reason == r && r != "" && r != profile.JVMStarting
	})
}

func (b *bench) awaitProfiled() {
	b.Helper()
	b.await("the JVM is profiled", func() bool { return b.status().Session != "" && b.status().Reason == "" })
}

func (b *bench) awaitWindows(n int) {
	b.Helper()
	b.await(fmt.Sprintf("%d windows with samples", n), func() bool { return len(b.spool.profiled()) >= n })
}

// directory is the JVM's in the shared volume.
func (b *bench) directory() string {
	b.Helper()
	found, err := filepath.Glob(filepath.Join(b.config.Volumes[0], fmt.Sprintf("%d-*", b.jvm.PID)))
	if err != nil || len(found) != 1 {
		b.Fatalf("directories of the JVM: %v %v", found, err)
	}
	return found[0]
}

// checkContiguous fails the test unless windows of a session follow each other
// without a gap, aligned, each once, with ledgers that add up.
func (b *bench) checkContiguous(windows []profile.Window) {
	b.Helper()
	seen := map[profile.WindowID]bool{}
	last := map[string]profile.Window{}
	for _, w := range windows {
		if seen[w.ID] {
			b.Errorf("window %s of %s is there twice", w.ID, w.Start)
		}
		seen[w.ID] = true
		if err := w.Check(); err != nil {
			b.Error(err)
		}
		if w.Start.Unix()%5 != 0 || w.End.Unix()%5 != 0 || !w.End.After(w.Start) {
			b.Errorf("window %s to %s is not aligned", w.Start, w.End)
		}
		if before, ok := last[w.Session]; ok && w.Session != "" {
			if gap := w.Recorded.Start.Sub(before.Recorded.End); gap != 0 {
				b.Errorf("gap of %s between %s and %s", gap, before.Recorded.End, w.Recorded.Start)
			}
			if w.Start.Before(before.End) {
				b.Errorf("window %s begins before %s, the end of the one before", w.Start, before.End)
			}
		}
		last[w.Session] = w
	}
}
