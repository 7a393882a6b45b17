package store

// turns give each namespace a window before one has its second, so that one that
// sends all it can does not make the others wait for all of it.
type turns struct {
	now  uint64                 // of the latest window that was begun
	last map[namespaceOf]uint64 // turn of the last window that came
}

type namespaceOf struct{ cluster, name string }

// maxTurns bounds the namespaces that are remembered; a multiple of those that have
// windows in a queue.
const maxTurns = 10_000

// next is the turn of a window that comes now. Windows are begun in order of turns.
func (t *turns) next(b *batch) uint64 {
	if t.last == nil || len(t.last) >= maxTurns {
		t.last = map[namespaceOf]uint64{}
	}
	of := namespaceOf{b.window.Target.Cluster, b.window.Target.Namespace}
	t.last[of] = max(t.last[of], t.now) + 1
	return t.last[of]
}

func (t *turns) begun(turn uint64) { t.now = max(t.now, turn) }
