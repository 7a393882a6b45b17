package supervise

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Budget is the share of the container's memory that its processes may have.
type Budget struct {
	CGroup  string // where the container's cgroup v2 is mounted
	Percent int64  // of memory.max
}

// exceeded says whether the processes have more than the budget: what the kernel
// cannot take back, without file pages. Without a limit, or with cgroup v1, whose
// kernel ends one process and not all, nothing is exceeded.
func (b Budget) exceeded() (used, limit int64, full bool) {
	limit, ok := number(filepath.Join(b.CGroup, "memory.max"))
	if !ok || limit <= 0 {
		return 0, 0, false
	}
	budget := limit / 100 * b.Percent
	// The whole, of which the rest is a part, costs a fraction to read.
	if all, ok := number(filepath.Join(b.CGroup, "memory.current")); ok && all <= budget {
		return all, limit, false
	}
	stat, err := os.ReadFile(filepath.Join(b.CGroup, "memory.stat"))
	if err != nil {
		return 0, limit, false
	}
	used = unreclaimable(stat)
	return used, limit, used > budget
}

// unreclaimable sums up what of memory.stat the kernel cannot take back. Its own
// part is told as one sum from Linux 5.18 on, with caches of names and inodes in it.
func unreclaimable(stat []byte) int64 {
	var used, kernel, parts, caches int64
	for line := range bytes.Lines(stat) {
		name, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
		n, err := strconv.ParseInt(string(value), 10, 64)
		if err != nil {
			continue
		}
		switch string(name) {
		case "anon", "shmem", "sock":
			used += n
		case "kernel":
			kernel = n
		case "kernel_stack", "pagetables", "percpu", "vmalloc", "slab_unreclaimable":
			parts += n
		case "slab_reclaimable":
			caches = n
		}
	}
	if kernel > 0 {
		return used + max(0, kernel-caches)
	}
	return used + parts
}

func number(path string) (int64, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil // "max" is no number
}

// largest is the process with most memory among the child and its children: one
// that decodes, as a rule, whose end costs one attempt.
func largest(child int) int {
	victim, most := child, resident(child)
	for _, pid := range childrenOf(child) {
		if n := resident(pid); n > most {
			victim, most = pid, n
		}
	}
	return victim
}

// childrenOf asks every thread of a process: each lists only what it forked.
func childrenOf(pid int) (children []int) {
	lists, _ := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task", "*", "children"))
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue
		}
		for field := range strings.FieldsSeq(string(text)) {
			if n, err := strconv.Atoi(field); err == nil {
				children = append(children, n)
			}
		}
	}
	return children
}

// resident is the memory of a process in pages, without what it shares.
func resident(pid int) int64 {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "statm"))
	if err != nil {
		return 0
	}
	const residentField, sharedField = 1, 2
	fields := strings.Fields(string(text))
	if len(fields) <= sharedField {
		return 0
	}
	all, _ := strconv.ParseInt(fields[residentField], 10, 64)
	shared, _ := strconv.ParseInt(fields[sharedField], 10, 64)
	return all - shared
}
