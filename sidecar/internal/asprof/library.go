package asprof

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/safefile"
)

const maxLibraryBytes = 32 << 20

// Install copies the profiler library into dir, whose parent exists, under a
// name made of its content, and returns the path. A copy that is there and
// whole is left alone: to write into a file that a JVM has mapped kills the
// JVM. One that is not whole is replaced by rename, which leaves the mapped
// file as it is. Symlinks do not lead out of the parent.
func Install(source, dir string) (string, error) {
	content, err := safefile.Read(source, maxLibraryBytes)
	if err != nil {
		return "", fmt.Errorf("read profiler library: %w", err)
	}
	if !bytes.HasPrefix(content, []byte("\x7fELF")) {
		return "", fmt.Errorf("profiler library %s is not a shared object", source)
	}
	root, err := openOwned(dir)
	if err != nil {
		return "", fmt.Errorf("open directory of profiler library: %w", err)
	}
	defer root.Close()
	sum := sha256.Sum256(content)
	name := contract.LibraryPrefix + hex.EncodeToString(sum[:8]) + ".so"
	if !holds(root, name, content) {
		if err := replace(root, name, content); err != nil {
			return "", fmt.Errorf("install profiler library in %s: %w", dir, err)
		}
	}
	return filepath.Join(dir, name), nil
}

// openOwned opens a directory that nobody but us and root can put files into.
func openOwned(dir string) (*os.Root, error) {
	parent, err := os.OpenRoot(filepath.Dir(dir))
	if err != nil {
		return nil, err
	}
	defer parent.Close()
	name := filepath.Base(dir)
	err = parent.Mkdir(name, 0o755)
	if err == nil {
		err = parent.Chmod(name, 0o755) // whatever the umask is, JVMs of other users load from here
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	root, err := parent.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	info, err := root.Stat(".")
	if err == nil {
		err = checkOwned(info)
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return root, nil
}

func checkOwned(info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || (st.Uid != 0 && int(st.Uid) != os.Geteuid()) || info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("it has to belong to root or to uid %d and be writable by nobody else; remove it", os.Geteuid())
	}
	return nil
}

func holds(root *os.Root, name string, content []byte) bool {
	info, err := root.Lstat(name)
	if err != nil || !info.Mode().IsRegular() || info.Size() != int64(len(content)) {
		return false
	}
	f, err := root.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	installed, err := io.ReadAll(io.LimitReader(f, maxLibraryBytes))
	return err == nil && bytes.Equal(installed, content)
}

func replace(root *os.Root, name string, content []byte) (err error) {
	temporary := "." + name + ".new"
	if err := root.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := root.OpenFile(temporary, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o555)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Chmod(0o555), f.Sync(), f.Close()); err != nil {
		return err
	}
	return root.Rename(temporary, name)
}

// IsOurs says whether a mapped library was installed by Install into dir, by
// this or by another version of the sidecar.
func IsOurs(path, dir string) bool {
	return OfAnySidecar(path) && filepath.Dir(path) == filepath.Clean(dir)
}

// OfAnySidecar says whether a mapped library has the name of one that a sidecar of
// Podflame has installed, in whatever directory.
func OfAnySidecar(path string) bool {
	ok, err := filepath.Match(contract.LibraryPrefix+"*.so", filepath.Base(path))
	return err == nil && ok
}
