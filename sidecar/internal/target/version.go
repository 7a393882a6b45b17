package target

import (
	"path"
	"path/filepath"
	"strings"
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

func (f *Finder) releaseVersion(pid int, file string) string {
	release, err := f.readInRoot(pid, file, maxReleaseBytes)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(release)) {
		if v, ok := strings.CutPrefix(line, "JAVA_VERSION="); ok {
			return strings.Trim(v, "\"\n")
		}
	}
	return ""
}
