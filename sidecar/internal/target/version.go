package target

import (
	"bufio"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// version reads the JDK's version from the file "release" of its home. It is
// the one way that asks nothing of the JVM.
func (f *Finder) version(pid int, libraries []Library) string {
	for _, l := range libraries {
		if filepath.Base(l.Path) != "libjvm.so" {
			continue
		}
		for _, home := range javaHomes(l.Path) {
			if v := f.releaseVersion(pid, path.Join(home, "release")); v != "" {
				return Clip(v)
			}
		}
	}
	return ""
}

// javaHomes are the homes that a libjvm.so may belong to:
// HOME/lib/server/libjvm.so, or HOME/jre/lib/ARCH/server/libjvm.so in JDK 8.
func javaHomes(libjvm string) []string {
	var homes []string
	dir := path.Dir(libjvm)
	for range 5 {
		dir = path.Dir(dir)
		if path.Base(dir) == "lib" {
			home := path.Dir(dir)
			homes = append(homes, home)
			if path.Base(home) == "jre" {
				homes = append(homes, path.Dir(home))
			}
		}
	}
	return homes
}

const maxReleaseBytes = 64 << 10

// releaseVersion opens the file inside the process's root: an absolute symlink
// in a container must not lead to a file of ours.
func (f *Finder) releaseVersion(pid int, file string) string {
	root, err := os.Open(f.Path(pid, "root"))
	if err != nil {
		return ""
	}
	defer root.Close()
	fd, err := unix.Openat2(int(root.Fd()), file, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_NONBLOCK | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return ""
	}
	release := os.NewFile(uintptr(fd), file)
	defer release.Close()
	if info, err := release.Stat(); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	lines := bufio.NewScanner(io.LimitReader(release, maxReleaseBytes))
	for lines.Scan() {
		if v, ok := strings.CutPrefix(lines.Text(), "JAVA_VERSION="); ok {
			return strings.Trim(v, `"`)
		}
	}
	return ""
}
