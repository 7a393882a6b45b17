package agent

import "time"

// loneliness counts the scans in which no other process was there.
type loneliness struct {
	agent *Agent
	seen  bool // a JVM
	scans int
	since time.Duration // Clock.Elapsed when it was alone for long enough; 0 if it is not
}

// scansAlone is how often nobody else has to be there in a row: between two
// processes of a script there is nobody either.
const scansAlone = 3

// check says whether the sidecar is to end. It stays for recordings of ended JVMs
// that were not read yet, as nobody else will read them, but not for ever.
func (l *loneliness) check(jvms bool, unread func() bool) bool {
	now := l.agent.clock.Elapsed()
	switch {
	case !l.alone(jvms):
		l.since = 0
		return false
	case l.since == 0:
		l.since = now
	}
	return !unread() || now-l.since >= l.agent.config.Limits.UnreadWait
}

// waits says whether the sidecar is alone, and stays only to read.
func (l *loneliness) waits() bool { return l.since != 0 }

func (l *loneliness) alone(jvms bool) bool {
	l.seen = l.seen || jvms
	if !l.agent.config.ExitWhenAlone || !l.seen || jvms {
		l.scans = 0
		return false
	}
	if others, err := l.agent.procs.Others(); err != nil || others > 0 {
		l.scans = 0
		return false
	}
	l.scans++
	return l.scans >= scansAlone
}
