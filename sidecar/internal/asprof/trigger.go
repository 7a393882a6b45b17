package asprof

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"golang.org/x/sys/unix"
)

// foreignTriggerAge is how long a trigger file that we have not made counts as
// that of a client that is attaching right now: jcmd gives up after 10 s.
const foreignTriggerAge = 15 * time.Second

// trigger is the file that tells HotSpot that a SIGQUIT asks to attach. The open
// directory lets us remove it also after the JVM has ended.
type trigger struct {
	dir  *os.File // nil if there is no file of ours
	name string
}

func (t *trigger) remove() {
	if t.dir != nil {
		_ = unix.Unlinkat(int(t.dir.Fd()), t.name, 0)
		_ = t.dir.Close()
		t.dir = nil
	}
}

func (a attachment) tmp() string { return a.procs.Path(a.p.PID, "root", "tmp") }

func (a attachment) triggerName() string { return ".attach_pid" + strconv.Itoa(a.p.NSPID) }

// checkTmp makes sure that the JVM will be able to make its socket.
func (a attachment) checkTmp() error {
	tmp := a.tmp()
	if err := unix.Access(tmp, unix.W_OK|unix.X_OK); err != nil {
		return a.failed(tmpReason(err), "attach", fmt.Errorf("write to %s: %w", tmp, err))
	}
	var st unix.Statfs_t
	if err := unix.Statfs(tmp, &st); err != nil {
		return fmt.Errorf("look at %s: %w", tmp, err)
	}
	if st.Files > 0 && st.Ffree < inodesForAttach {
		return a.failed(profile.TmpFull, "attach", fmt.Errorf("%s has %d inodes left of %d", tmp, st.Ffree, st.Files))
	}
	return nil
}

// inodesForAttach are the trigger and the socket; neither needs a block.
const inodesForAttach = 2

func tmpReason(err error) profile.Reason {
	switch {
	case errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP):
		return profile.TmpMissing
	case errors.Is(err, unix.EROFS):
		return profile.TmpReadOnly
	case errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT):
		return profile.TmpFull
	}
	return profile.TmpNotWritable
}

// placeTrigger makes the trigger file in /tmp, where the JVM looks for it if it
// is not in its working directory, which is the application's. A file that is
// there already is that of another client, unless it is old.
func (a attachment) placeTrigger() error {
	if a.jvm.trigger.dir != nil {
		return nil
	}
	dir, err := os.Open(a.tmp())
	if err != nil {
		return a.failed(tmpReason(err), "create attach trigger", err)
	}
	made, err := makeOwned(dir, a.triggerName(), a.p.Identity.UID)
	if made {
		a.jvm.trigger = trigger{dir, a.triggerName()}
		return nil
	}
	_ = dir.Close()
	switch {
	case errors.Is(err, errFresh):
		return a.failed(profile.AttachTimeout, "create attach trigger", err)
	case err != nil:
		return a.failed(tmpReason(err), "create attach trigger", err)
	}
	return nil
}

var errFresh = errors.New("another client is attaching")

// makeOwned creates an empty file and makes sure that it belongs to uid: some
// file systems give files to somebody else, and then the JVM ignores it. made is
// false if one of that user was there already.
func makeOwned(dir *os.File, name string, uid int) (made bool, err error) {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err == nil {
		_ = unix.Close(fd)
	} else if !errors.Is(err, unix.EEXIST) {
		return false, &fs.PathError{Op: "create", Path: dir.Name() + "/" + name, Err: err}
	}
	made = err == nil
	var st unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return made, &fs.PathError{Op: "look at", Path: dir.Name() + "/" + name, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || int(st.Uid) != uid {
		if made {
			_ = unix.Unlinkat(int(dir.Fd()), name, 0)
		}
		return false, fmt.Errorf("%s/%s is not a file of uid %d", dir.Name(), name, uid)
	}
	// One of the future was made before the clock was set back.
	if age := time.Since(time.Unix(st.Mtim.Unix())); !made && age.Abs() < foreignTriggerAge {
		return false, fmt.Errorf("%w: %s/%s was made %s ago", errFresh, dir.Name(), name, age.Round(time.Second))
	}
	return made, nil
}
