// Package archive makes container images from files of this host and writes
// them to one archive, without Docker and without a registry. It knows nothing
// of Podflame.
package archive

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Builder writes a layer: regular files, folders and links that belong to root
// and were last changed in 1970, so that equal content has an equal digest.
type Builder struct {
	file   *os.File
	tar    *tar.Writer
	digest hash.Hash
	made   map[string]bool
	err    error // the first; later calls do nothing
}

// NewBuilder begins a layer in a file of a folder.
func NewBuilder(folder string) (*Builder, error) {
	file, err := os.CreateTemp(folder, "layer-*.tar")
	if err != nil {
		return nil, fmt.Errorf("begin a layer: %w", err)
	}
	digest := sha256.New()
	b := &Builder{file: file, digest: digest, made: map[string]bool{"": true}}
	b.tar = tar.NewWriter(io.MultiWriter(file, digest))
	return b, nil
}

// Folder adds a folder, and those above it with mode 0755.
func (b *Builder) Folder(target string, mode int64) {
	b.header(target, tar.Header{Typeflag: tar.TypeDir, Mode: mode})
}

// Text adds a file with the given content.
func (b *Builder) Text(target string, mode int64, content string) {
	b.header(target, tar.Header{Typeflag: tar.TypeReg, Mode: mode, Size: int64(len(content))})
	b.copy(strings.NewReader(content))
}

// Link adds a symbolic link.
func (b *Builder) Link(target, destination string) {
	b.header(target, tar.Header{Typeflag: tar.TypeSymlink, Mode: 0o777, Linkname: destination})
}

// File adds a file of the host; a link is followed.
func (b *Builder) File(target string, mode int64, source string) {
	if b.err != nil {
		return
	}
	file, err := os.Open(source)
	if err != nil {
		b.err = fmt.Errorf("add %s to a layer: %w", target, err)
		return
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		b.err = fmt.Errorf("add %s to a layer: %w", target, err)
		return
	}
	b.header(target, tar.Header{Typeflag: tar.TypeReg, Mode: mode, Size: info.Size()})
	b.copy(file)
}

// Tree adds all files and links below a folder of the host; a file keeps
// whether it can be executed.
func (b *Builder) Tree(target, source string) {
	if b.err != nil {
		return
	}
	b.err = filepath.Walk(source, func(found string, info os.FileInfo, err error) error {
		if err != nil {
			return fmt.Errorf("add %s to a layer: %w", source, err)
		}
		inside, err := filepath.Rel(source, found)
		if err != nil {
			return fmt.Errorf("add %s to a layer: %w", source, err)
		}
		return b.entry(path.Join(target, filepath.ToSlash(inside)), found, info)
	})
}

func (b *Builder) entry(target, found string, info os.FileInfo) error {
	switch {
	case info.IsDir():
		b.Folder(target, 0o755)
	case info.Mode()&os.ModeSymlink != 0:
		destination, err := os.Readlink(found)
		if err != nil {
			return fmt.Errorf("add %s to a layer: %w", found, err)
		}
		b.Link(target, destination)
	default:
		b.File(target, 0o644|int64(info.Mode()&0o111), found)
	}
	return b.err
}

func (b *Builder) header(target string, header tar.Header) {
	if b.err != nil {
		return
	}
	name := strings.Trim(path.Clean("/"+target), "/")
	if b.made[name] {
		if header.Typeflag != tar.TypeDir {
			b.err = fmt.Errorf("add %s to a layer: it is there already", target)
		}
		return
	}
	if parent := path.Dir(name); parent != "." && !b.made[parent] {
		b.Folder(parent, 0o755)
	}
	b.made[name] = true
	header.Name = name
	if header.Typeflag == tar.TypeDir {
		header.Name += "/"
	}
	if err := b.tar.WriteHeader(&header); err != nil {
		b.err = fmt.Errorf("add %s to a layer: %w", target, err)
	}
}

func (b *Builder) copy(content io.Reader) {
	if b.err != nil {
		return
	}
	if _, err := io.Copy(b.tar, content); err != nil {
		b.err = fmt.Errorf("write a layer: %w", err)
	}
}

// Layer ends the layer; the first error of all calls is returned here. The
// layer reads the file, which must stay.
func (b *Builder) Layer() (*Layer, error) {
	err := errors.Join(b.err, b.tar.Close())
	size, seekErr := b.file.Seek(0, io.SeekEnd)
	if err := errors.Join(err, seekErr, b.file.Close()); err != nil {
		return nil, fmt.Errorf("end a layer: %w", err)
	}
	digest := v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(b.digest.Sum(nil))}
	return &Layer{path: b.file.Name(), digest: digest, size: size}, nil
}

// Layer is an uncompressed layer in a file. It implements v1.Layer, for which
// the library has compressed layers only.
type Layer struct {
	path   string
	digest v1.Hash
	size   int64
}

func (l *Layer) Digest() (v1.Hash, error)             { return l.digest, nil }
func (l *Layer) DiffID() (v1.Hash, error)             { return l.digest, nil }
func (l *Layer) Size() (int64, error)                 { return l.size, nil }
func (l *Layer) MediaType() (types.MediaType, error)  { return types.OCIUncompressedLayer, nil }
func (l *Layer) Compressed() (io.ReadCloser, error)   { return os.Open(l.path) }
func (l *Layer) Uncompressed() (io.ReadCloser, error) { return os.Open(l.path) }

// Path is the file of the layer, a tar archive.
func (l *Layer) Path() string { return l.path }
