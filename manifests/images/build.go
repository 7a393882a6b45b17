package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/podflame/podflame/manifests/images/archive"
)

const user = 65532 // as in the manifests

// program is one of the three, and what its image has besides it.
type program struct {
	name    string
	secret  bool   // runs beside others of its user: they may execute its file, not read it, see mode
	library string // file of the cache; empty for none
	target  string // where the library goes
	base    string // reference of the base; empty for this host's
	libc    bool   // loads C libraries
	ports   []string
}

// mode is that of the program's file. The kernel lets nobody trace a process whose
// file its user may not read, from its first instruction on (execve(2), would_dump).
func (p program) mode() int64 {
	if p.secret {
		return 0o711
	}
	return 0o755
}

func (s settings) all() []program {
	machine := map[string]string{"amd64": "linux-x64", "arm64": "linux-arm64"}[s.architecture]
	backend := program{name: "backend", base: s.libcBase, ports: []string{"8443/tcp", "8444/tcp", "8081/tcp"}}
	if s.architecture == "amd64" { // ClickHouse as a library is packaged for it only
		backend.libc = true
		backend.library = filepath.Join("clickhouse-"+s.clickhouse, "libchdb.so")
		backend.target = "/usr/lib/podflame/libchdb.so"
	}
	return []program{
		{name: "webhook", base: s.staticBase, ports: []string{"9443/tcp", "8080/tcp", "8081/tcp"}},
		{
			name: "sidecar", base: s.staticBase, secret: true,
			library: filepath.Join("async-profiler-"+s.asprof, machine, "libasyncProfiler.so"),
			target:  "/usr/local/bin/libasyncProfiler.so",
		},
		backend,
	}
}

func (s settings) build(work string) ([]archive.Named, error) {
	var images []archive.Named
	for _, p := range s.all() {
		image, err := s.image(work, p)
		if err != nil {
			return nil, fmt.Errorf("make the image of the %s: %w", p.name, err)
		}
		images = append(images, archive.Named{Reference: s.reference(p.name), Image: image})
	}
	return images, nil
}

// reference names an image; one that is pushed, by its architecture, too.
func (s settings) reference(program string) string {
	if s.push {
		return perArchitecture(s.prefix+program+":"+s.tag, s.architecture)
	}
	return s.prefix + program + ":" + s.tag
}

func (s settings) image(work string, p program) (v1.Image, error) {
	layers, err := s.layers(work, p)
	if err != nil {
		return nil, err
	}
	config := v1.Config{
		User:         fmt.Sprintf("%d:%d", user, user),
		Entrypoint:   []string{"/usr/local/bin/" + p.name},
		ExposedPorts: map[string]struct{}{},
		Labels:       map[string]string{"org.opencontainers.image.source": "https://github.com/podflame/podflame"},
	}
	for _, port := range p.ports {
		config.ExposedPorts[port] = struct{}{}
	}
	if p.base == "" {
		return archive.Image(s.architecture, config, layers...)
	}
	base, err := pull(p.base, s.architecture)
	if err != nil {
		return nil, err
	}
	return archive.On(base, s.architecture, config, layers...)
}

// layers are, from what changes least to what changes most: the base, the
// library, the program.
func (s settings) layers(work string, p program) ([]v1.Layer, error) {
	library := filepath.Join(s.cache, p.library)
	var fills []func(*archive.Builder) error
	if p.base == "" {
		fills = append(fills, func(b *archive.Builder) error { return hostBase(b, p, library) })
	}
	if p.library != "" {
		if _, err := os.Stat(library); err != nil {
			return nil, fmt.Errorf("%w; run tests/setup/setup.sh profiler clickhouse", err)
		}
		fills = append(fills, func(b *archive.Builder) error { b.File(p.target, 0o644, library); return nil })
	}
	fills = append(fills, func(b *archive.Builder) error {
		b.File("/usr/local/bin/"+p.name, p.mode(), filepath.Join(s.programs, p.name))
		return s.addNotices(b, p)
	})
	var layers []v1.Layer
	for _, fill := range fills {
		layer, err := s.layer(work, fill)
		if err != nil {
			return nil, err
		}
		layers = append(layers, layer)
	}
	return layers, nil
}

// addNotices adds our licence, those of the parts of others with their texts, and
// the bill of materials.
func (s settings) addNotices(b *archive.Builder, p program) error {
	for target, source := range map[string]string{
		"LICENSE":      s.licence,
		"licences.txt": filepath.Join(s.notices, p.name+".licences.txt"),
		"sbom.json":    filepath.Join(s.notices, p.name+".cdx.json"),
	} {
		if _, err := os.Stat(source); err != nil {
			return fmt.Errorf("find the licences of the image: %w; run make sbom", err)
		}
		b.File("/licenses/"+target, 0o644, source)
	}
	return nil
}

// layer is compressed for a registry, and as it is for an archive.
func (s settings) layer(work string, fill func(*archive.Builder) error) (v1.Layer, error) {
	builder, err := archive.NewBuilder(work)
	if err != nil {
		return nil, err
	}
	if err := fill(builder); err != nil {
		return nil, err
	}
	layer, err := builder.Layer()
	if err != nil || !s.push {
		return layer, err
	}
	return tarball.LayerFromFile(layer.Path(), tarball.WithMediaType(types.OCILayer))
}

// hostBase is what any program needs of a system, taken from this host: users,
// CA certificates, /tmp, and the C library where one is needed.
func hostBase(b *archive.Builder, p program, library string) error {
	for _, folder := range []string{"/proc", "/dev", "/sys", "/var", "/home/nonroot"} {
		b.Folder(folder, 0o755)
	}
	b.Folder("/tmp", 0o1777)
	b.Text("/etc/passwd", 0o644, fmt.Sprintf("root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:%d:%d:nonroot:/home/nonroot:/sbin/nologin\n", user, user))
	b.Text("/etc/group", 0o644, fmt.Sprintf("root:x:0:\nnonroot:x:%d:\n", user))
	b.Text("/etc/nsswitch.conf", 0o644, "hosts: files dns\n")
	// With the licences, which a host has that is made of Debian's packages.
	for _, path := range []string{"/etc/ssl/certs/ca-certificates.crt", "/usr/share/doc/ca-certificates/copyright"} {
		addIfThere(b, path)
	}
	if !p.libc {
		return nil
	}
	addIfThere(b, "/usr/share/doc/libc6/copyright")
	needed, err := sharedLibraries(library)
	for _, path := range needed {
		b.File(path, 0o755, path)
	}
	return err
}

func addIfThere(b *archive.Builder, path string) {
	if _, err := os.Stat(path); err == nil {
		b.File(path, 0o644, path)
	}
}

var libraryPath = regexp.MustCompile(`/\S+\.so\S*`)

// sharedLibraries lists the loader and the libraries that a file names,
// directly or not.
func sharedLibraries(file string) ([]string, error) {
	output, err := exec.CommandContext(context.Background(), "ldd", file).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("list the libraries of %s: %w: %s", file, err, output)
	}
	found := libraryPath.FindAllString(string(output), -1)
	found = slices.DeleteFunc(found, func(path string) bool { return path == file+":" })
	slices.Sort(found)
	return slices.Compact(found), nil
}
