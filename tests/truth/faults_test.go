package truth

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/podflame/podflame/tests/internal/stack"
)

func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), patience)
}

// fault is something that goes wrong with one of the JVMs, or with the backend.
// It returns the life that goes on in place of the one that it met.
type fault struct {
	name string
	do   func(f *fleet, l *life) *life
}

func faults() []fault {
	return []fault{
		{"kill the sidecar", func(f *fleet, l *life) *life {
			l.sidecar.Kill()
			f.pause(4 * time.Second)
			f.watch(l)
			return l
		}},
		{"end the sidecar", func(f *fleet, l *life) *life {
			l.sidecar.Stop()
			f.pause(4 * time.Second)
			f.watch(l)
			return l
		}},
		{"kill the backend", func(f *fleet, l *life) *life {
			f.backend.Kill()
			f.pause(8 * time.Second)
			f.startBackend()
			return l
		}},
		{"kill the JVM", func(f *fleet, l *life) *life { return f.replace(l, syscall.SIGKILL) }},
		{"end the JVM", func(f *fleet, l *life) *life { return f.replace(l, syscall.SIGTERM) }},
		{"set the clock", func(f *fleet, l *life) *life {
			f.setClock(l, l.wrong+f.step())
			return l
		}},
		{"set the clock while no sidecar is there", func(f *fleet, l *life) *life {
			l.sidecar.Kill()
			f.pause(4 * time.Second)
			f.setClock(l, l.wrong+f.step())
			f.watch(l)
			return l
		}},
		{"kill the JVM while no sidecar is there", func(f *fleet, l *life) *life {
			l.sidecar.Kill()
			next := f.replace(l, syscall.SIGKILL)
			f.watch(l) // reads what is left, and ends when it is told to
			return next
		}},
	}
}

// step is by how much a clock is set, forward or back: more than is taken for
// drift, and less than a window.
func (f *fleet) step() time.Duration {
	by := 2500*time.Millisecond + time.Duration(f.random.Int64N(int64(2*time.Second)))
	if f.random.IntN(2) == 0 {
		return -by
	}
	return by
}

// replace ends a JVM and begins another one on the same runtime.
func (f *fleet) replace(l *life, s syscall.Signal) *life {
	f.t.Helper()
	l.ended = time.Now()
	f.must(syscall.Kill(l.jvm.PID(), s))
	<-l.jvm.Done()
	return f.begin(jdkName(l))
}

// pause waits for some time up to the longest.
func (f *fleet) pause(longest time.Duration) {
	select {
	case <-f.t.Context().Done():
	case <-time.After(time.Duration(f.random.Int64N(int64(longest)))):
	}
}

// suffer lets faults happen until the time is over, each to one of the JVMs.
func (f *fleet) suffer(running []*life) {
	end := f.started.Add(*length)
	for i := 0; time.Now().Before(end); i++ {
		f.pause(3 * window)
		which := f.random.IntN(len(running))
		all := faults()
		one := all[f.random.IntN(len(all))]
		if i < len(all) { // each of them once, before chance decides
			one = all[(i+int(*seed%uint64(len(all))))%len(all)]
		}
		f.say("%s: %s", running[which].service, one.name)
		running[which].faults++
		running[which] = one.do(f, running[which])
	}
}

// settle ends everything in order, and waits until the backend has it.
func (f *fleet) settle() {
	f.t.Helper()
	f.pause(2 * window)
	for _, l := range f.all {
		if !l.ended.IsZero() {
			f.awaitRead(l)
		}
		f.finish(l)
	}
	for _, l := range f.all {
		f.drain(l)
	}
}

// awaitRead waits until the sidecar of a JVM that has ended has read what is left
// of it, also what it had no time for at first.
func (f *fleet) awaitRead(l *life) {
	f.t.Helper()
	ctx, cancel := contextOf(f.t)
	defer cancel()
	err := stack.Poll(ctx, 200*time.Millisecond, func() (bool, error) { return len(unread(f.t, l)) == 0, nil }, func() error { return nil })
	if err != nil {
		f.t.Errorf("%s: its sidecar does not read %v", l.service, unread(f.t, l))
	}
}

// drain starts a sidecar for what is left in a spool, or of recordings when the
// last one had no time to read them, as the next one of the pod would, until
// nothing is.
func (f *fleet) drain(l *life) {
	f.t.Helper()
	windows, recordings := spooled(f.t, l), unread(f.t, l)
	if windows == 0 && len(recordings) == 0 {
		return
	}
	f.say("%s: %d windows are left in the spool, and %d recordings", l.service, windows, len(recordings))
	ctx, cancel := contextOf(f.t)
	defer cancel()
	f.watch(l)
	err := stack.Poll(ctx, 200*time.Millisecond, func() (bool, error) {
		return spooled(f.t, l) == 0 && len(unread(f.t, l)) == 0, nil
	}, func() error { return nil })
	if err != nil {
		f.t.Errorf("%s: %d windows stay in the spool, %v are not read", l.service, spooled(f.t, l), unread(f.t, l))
	}
	l.sidecar.Stop()
}
