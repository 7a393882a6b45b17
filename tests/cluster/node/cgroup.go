package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	cgroupRoot   = "/sys/fs/cgroup"
	cgroupPrefix = "podflame-node-"
	removeLimit  = 5 * time.Second // the kernel lets go of a dead process's group some ms later
)

// cgroup is the node's group in every hierarchy (version 1), or in the one
// (version 2). The kubelet keeps all groups of pods below it, and the servers have
// one beside those, as system.slice is on a node: outside, busy pods starve them.
type cgroup struct{ name string }

func newCgroup(supervisor int) (cgroup, error) {
	sweep()
	group := cgroup{CgroupOf(supervisor)}
	for _, hierarchy := range hierarchies() {
		path := filepath.Join(hierarchy, group.name)
		if err := os.Mkdir(path, 0o755); err != nil {
			return group, errors.Join(fmt.Errorf("make the node's cgroup: %w", err), group.remove())
		}
		if err := errors.Join(inheritCPUs(hierarchy, path), weigh(path), makeServers(path)); err != nil {
			return group, errors.Join(err, group.remove())
		}
	}
	return group, nil
}

// inheritCPUs fills in what a new cpuset of version 1 lacks.
func inheritCPUs(parent, child string) error {
	if filepath.Base(parent) != "cpuset" {
		return nil
	}
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		content, err := os.ReadFile(filepath.Join(parent, file))
		if err != nil {
			return fmt.Errorf("read the cpuset of the host: %w", err)
		}
		if err := os.WriteFile(filepath.Join(child, file), content, 0o600); err != nil {
			return fmt.Errorf("fill in the node's cpuset: %w", err)
		}
	}
	return nil
}

// weigh makes the group count as several processes: it holds all pods of a node,
// and a busy host would starve them if they were one.
func weigh(group string) error {
	file := weightOf(group)
	if file == "" {
		return nil // another controller's
	}
	weight := "8192"
	if filepath.Base(file) == "cpu.weight" {
		weight = "800"
	}
	if err := os.WriteFile(file, []byte(weight), 0o600); err != nil {
		return fmt.Errorf("weigh the node's cgroup: %w", err)
	}
	return nil
}

// weightOf is the file with a group's share of the CPU, of version 1 or 2; empty
// where CPU time is not shared out.
func weightOf(group string) string {
	for _, file := range []string{"cpu.shares", "cpu.weight"} {
		if path := filepath.Join(group, file); exists(path) {
			return path
		}
	}
	return ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

const serversGroup = "servers"

// makeServers makes the group of the servers where CPU time is shared out.
func makeServers(group string) error {
	if weightOf(group) == "" {
		return nil
	}
	if err := os.Mkdir(filepath.Join(group, serversGroup), 0o755); err != nil {
		return fmt.Errorf("make the cgroup of the node's servers: %w", err)
	}
	return nil
}

// joinServers puts this process, and all that it starts, into that group.
func joinServers(name string) error {
	for _, hierarchy := range hierarchies() {
		group := filepath.Join(hierarchy, name)
		if weightOf(group) == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(group, serversGroup, "cgroup.procs"), []byte("0"), 0o600); err != nil {
			return fmt.Errorf("join the cgroup of the node's servers: %w", err)
		}
	}
	return nil
}

// hierarchies are the mounted roots: one folder per controller, or the root
// itself where version 2 is mounted.
func hierarchies() []string {
	if _, err := os.Stat(filepath.Join(cgroupRoot, "cgroup.controllers")); err == nil {
		return []string{cgroupRoot}
	}
	found, _ := filepath.Glob(filepath.Join(cgroupRoot, "*", "tasks"))
	var folders []string
	for _, path := range found {
		folder := filepath.Dir(path)
		if info, err := os.Lstat(folder); err == nil && info.IsDir() { // links name a joined hierarchy again
			folders = append(folders, folder)
		}
	}
	return folders
}

// remove deletes the group and all below it, the deepest first.
func (c cgroup) remove() error {
	var failure error
	for deadline := time.Now().Add(removeLimit); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if failure = c.tryRemove(); failure == nil {
			return nil
		}
	}
	return fmt.Errorf("remove the node's cgroup: %w", failure)
}

func (c cgroup) tryRemove() error {
	var failures []error
	for _, path := range Cgroups(c.name) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

// Cgroups lists the folders of a group, in every hierarchy, the deepest first.
func Cgroups(name string) []string {
	var paths []string
	for _, hierarchy := range append(hierarchies(), filepath.Join(cgroupRoot, "unified")) {
		_ = filepath.WalkDir(filepath.Join(hierarchy, name), func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				paths = append(paths, path)
			}
			return nil
		})
	}
	slices.Reverse(paths) // a walk names a folder before what it holds
	return paths
}

// sweep removes the groups of nodes whose supervisor was killed.
func sweep() {
	for _, hierarchy := range hierarchies() {
		left, _ := filepath.Glob(filepath.Join(hierarchy, cgroupPrefix+"*"))
		for _, path := range left {
			pid, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(path), cgroupPrefix))
			if err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
				_ = cgroup{filepath.Base(path)}.tryRemove()
			}
		}
	}
}
