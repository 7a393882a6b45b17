package agent

// loneliness counts the scans in which no other process was there.
type loneliness struct {
	agent *Agent
	seen  bool // a JVM
	scans int
}

// scansAlone is how often nobody else has to be there in a row: between two
// processes of a script there is nobody either.
const scansAlone = 3

// check says whether the sidecar is to end.
func (l *loneliness) check(jvms bool) bool {
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
