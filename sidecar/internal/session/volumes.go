package session

import (
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Volumes are the directories in which JVMs and sidecar meet, under the same
// path on both sides: one for each profiled container, of the container's name,
// or one for all.
type Volumes []string

// Of returns the volume of a JVM, whose root directory is root. A JVM that does
// not say in which container it runs has the one volume that it sees; one that
// sees none gets the first, in which SameIn then says what is wrong. It must run
// as the JVM's user.
func (v Volumes) Of(container, root string) string {
	for _, volume := range v {
		if filepath.Base(volume) == container {
			return volume
		}
	}
	if len(v) > 1 {
		for _, volume := range v {
			if sameIn(volume, root) == nil {
				return volume
			}
		}
	}
	return v[0]
}

// sameIn says whether a process whose root directory is root finds the same
// directory under the same path.
func sameIn(dir, root string) error {
	var ours, theirs unix.Stat_t
	if err := unix.Stat(dir, &ours); err != nil {
		return fmt.Errorf("look at session directory %s: %w", dir, err)
	}
	if err := unix.Stat(filepath.Join(root, dir), &theirs); err != nil {
		return fmt.Errorf("look for session directory %s in the JVM's file system: %w", dir, err)
	}
	if ours.Dev != theirs.Dev || ours.Ino != theirs.Ino {
		return fmt.Errorf("%s in the JVM's file system is another directory than ours", dir)
	}
	return nil
}
