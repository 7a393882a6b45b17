package jfr

import (
	"bytes"

	"github.com/grafana/jfr-parser/parser/types/def"

	"github.com/podflame/podflame/backend/profile"
)

// groups numbers the thread groups of a Decode. The number 0 is the group that is
// not known. The nil pointer knows no other.
type groups struct {
	of    *profile.ThreadGroups
	index map[string]uint32
	names []string
}

func newGroups() *groups {
	return &groups{of: profile.NewThreadGroups(), index: map[string]uint32{"": 0}, names: []string{""}}
}

func (g *groups) name(number uint32) string {
	if g == nil {
		return ""
	}
	return g.names[number]
}

func (g *groups) number(thread string) uint32 {
	group := g.of.Of(thread)
	n, ok := g.index[group]
	if !ok {
		n = uint32(len(g.names))
		g.index[group], g.names = n, append(g.names, group)
	}
	return n
}

// threads finds the groups of the threads of one chunk.
type threads struct {
	pools  *pools
	groups *groups
	known  table // by thread id: number of the group + 1
}

func newThreads(p *pools, g *groups) *threads {
	t := &threads{pools: p, groups: g}
	if g != nil {
		t.known = newTable(p.threads.n)
	}
	return t
}

// group returns the number of the group that a thread of the chunk belongs to. One
// that the recording does not name has no name: not known are those of sidecars that
// do not tell.
func (t *threads) group(id uint64) uint32 {
	if t.groups == nil {
		return 0
	}
	if n := t.known.get(id); n != 0 {
		return n - 1
	}
	name, ok := t.pools.threadName(id)
	if !ok {
		return t.groups.number("")
	}
	n := t.groups.number(name)
	t.known.set(id, n+1)
	return n
}

// bindThreads finds out where the names of threads are. A chunk without them has
// threads that are not known.
func (p *pools) bindThreads(l *layouts, t *def.TypeMap, byType map[uint64]*pool) error {
	class := t.NameMap["java.lang.Thread"]
	if class == nil {
		return nil
	}
	bound, _, err := l.want(class, "javaName", "osName") // their texts, as far as they are there, in this order
	if err != nil {
		return err
	}
	p.threads.layout = bound
	byType[uint64(class.ID)] = &p.threads
	return nil
}

func (p *pools) threadName(id uint64) (string, bool) {
	c, ok := p.find(&p.threads, id)
	if !ok {
		return "", false
	}
	var v values
	p.threads.layout.read(&c, &v)
	name := v.text[0]
	if len(name) == 0 {
		name = v.text[1] // the kernel's, if the thread has one to Java
	}
	return string(bytes.ToValidUTF8(fromModified(name), []byte("?"))), !c.bad
}
