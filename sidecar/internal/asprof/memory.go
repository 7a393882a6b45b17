package asprof

import (
	"sync"
	"time"

	"github.com/podflame/podflame/sidecar/internal/target"
)

// Memory keeps, over restarts of the sidecar, which JVMs have been sent a signal
// that they have not answered.
type Memory interface {
	// Signalled returns when a JVM was sent a signal that is not answered; zero
	// if there is none.
	Signalled(p target.Process) time.Time
	// SetSignalled notes it, or with a zero time the answer. After an error the
	// signal is not sent.
	SetSignalled(p target.Process, at time.Time) error
}

// Forgetful is a Memory that lasts as long as the process.
type Forgetful struct{ m sync.Map }

// Signalled implements Memory.
func (f *Forgetful) Signalled(p target.Process) time.Time {
	at, _ := f.m.Load(p.Key())
	t, _ := at.(time.Time)
	return t
}

// SetSignalled implements Memory.
func (f *Forgetful) SetSignalled(p target.Process, at time.Time) error {
	f.m.Store(p.Key(), at)
	return nil
}
