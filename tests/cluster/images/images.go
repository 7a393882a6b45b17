// Package images makes the images of the pods that cluster tests run: from this
// host's busybox and C library, and from the Java runtimes that the set-up has
// fetched. None of them comes from a registry.
package images

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/podflame/podflame/manifests/images/archive"
)

// Names of the images; a Java image is JavaName(version).
const (
	PauseName   = "docker.io/local/pause:1"
	BusyboxName = "docker.io/local/busybox:1"
	JDKName     = "docker.io/local/jdk:1"    // runs Java from its source
	LinkedName  = "docker.io/local/linked:1" // the workloads on a runtime of java.base alone
)

// Profiler is where the images of a Java version have the profiler's library,
// for applications that bring one of their own.
const Profiler = "/opt/profiler/libasyncProfiler.so"

// JavaName is the image of a Java version, as setup.sh names the runtimes. It
// holds the classes of the folder java below /app.
func JavaName(version string) string { return "docker.io/local/java:" + version }

// JavaUserName is the same image with a USER that no pod spec shows.
func JavaUserName(version string) string { return JavaName(version) + "-user1001" }

// Workshop builds images.
type Workshop struct {
	Root   string // of the repository
	Cache  string // that setup.sh fills
	Folder string // where archives, layers and classes go; must stay while they are read
}

// JavaVersions are those that workloads are run on.
func JavaVersions() []string { return []string{"11", "17", "21", "25"} }

// workloadImage is one that the workloads of `make acceptance` run on.
type workloadImage struct {
	name string
	make func(context.Context, Workshop) (archive string, err error)
}

func workloadImages() []workloadImage {
	all := []workloadImage{
		{BusyboxName, func(ctx context.Context, w Workshop) (string, error) { return w.busybox(ctx) }},
		{JavaUserName("17"), func(ctx context.Context, w Workshop) (string, error) { return w.Java(ctx, "17", "1001") }},
		{LinkedName, func(ctx context.Context, w Workshop) (string, error) { return w.Linked(ctx) }},
	}
	for _, version := range JavaVersions() {
		all = append(all, workloadImage{JavaName(version), func(ctx context.Context, w Workshop) (string, error) { return w.Java(ctx, version, "") }})
	}
	return all
}

// WorkloadNames are the images that the workloads of `make acceptance` run on.
func WorkloadNames() (names []string) {
	for _, image := range workloadImages() {
		names = append(names, image.name)
	}
	return names
}

// Workloads makes the images of WorkloadNames.
func (w Workshop) Workloads(ctx context.Context) (archives []string, err error) {
	for _, image := range workloadImages() {
		archive, err := image.make(ctx, w)
		if err != nil {
			return nil, err
		}
		archives = append(archives, archive)
	}
	return archives, nil
}

// Node makes what a node of ours runs workloads on: the pods' sandbox and Workloads.
func (w Workshop) Node(ctx context.Context) ([]string, error) {
	pause, err := w.pause(ctx)
	if err != nil {
		return nil, err
	}
	archives, err := w.Workloads(ctx)
	if err != nil {
		return nil, err
	}
	return append(archives, pause), nil
}

// Basic makes what every node needs: the pods' sandbox and a shell.
func (w Workshop) Basic(ctx context.Context) ([]string, error) {
	pause, err := w.pause(ctx)
	if err != nil {
		return nil, err
	}
	busybox, err := w.busybox(ctx)
	if err != nil {
		return nil, err
	}
	return []string{pause, busybox}, nil
}

func (w Workshop) pause(ctx context.Context) (string, error) {
	program, err := w.program(ctx, "pause")
	if err != nil {
		return "", err
	}
	return w.write(PauseName, v1.Config{Entrypoint: []string{"/pause"}}, func(b *archive.Builder) error {
		b.File("/pause", 0o755, program)
		return nil
	})
}

// busybox has the programs fetch and load, too.
func (w Workshop) busybox(ctx context.Context) (string, error) {
	program, err := exec.LookPath("busybox")
	if err != nil {
		return "", fmt.Errorf("make the image of busybox: %w; run `make setup-cluster`", err)
	}
	names, err := exec.CommandContext(ctx, program, "--list").Output()
	if err != nil {
		return "", fmt.Errorf("list what busybox can do: %w", err)
	}
	programs := map[string]string{}
	for _, name := range []string{"fetch", "load"} {
		if programs[name], err = w.program(ctx, name); err != nil {
			return "", err
		}
	}
	config := v1.Config{Env: []string{"PATH=/bin"}, Cmd: []string{"sh"}}
	return w.write(BusyboxName, config, func(b *archive.Builder) error {
		system(b)
		b.File("/bin/busybox", 0o755, program)
		for name, path := range programs {
			b.File("/bin/"+name, 0o755, path)
		}
		for name := range strings.FieldsSeq(string(names)) {
			if name != "busybox" {
				b.Link("/bin/"+name, "busybox")
			}
		}
		return nil
	})
}

// program builds one of the programs in this folder.
func (w Workshop) program(ctx context.Context, name string) (string, error) {
	program := filepath.Join(w.Folder, name)
	build := exec.CommandContext(ctx, "go", "build", "-ldflags", "-s -w", "-o", program, "./tests/cluster/images/"+name)
	build.Dir, build.Env = w.Root, append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w: %s", name, err, output)
	}
	return program, nil
}

// Java makes an image of a runtime with the workloads. A user, if given, is the
// image's own.
func (w Workshop) Java(ctx context.Context, version, user string) (string, error) {
	runtimes, err := filepath.Glob(filepath.Join(w.Cache, "java-"+version+"-*", "complete"))
	if err != nil || len(runtimes) != 1 {
		return "", fmt.Errorf("make the image of Java %s: found %d runtimes in %s; run tests/setup/setup.sh runtimes", version, len(runtimes), w.Cache)
	}
	name := JavaName(version)
	if user != "" {
		name = JavaUserName(version)
	}
	return w.workloads(ctx, name, filepath.Dir(runtimes[0]), user)
}

// Linked makes an image of the workloads on what jlink makes of this host's JDK
// for a program that needs nothing but java.base: no agent, no management, no
// flight recorder.
func (w Workshop) Linked(ctx context.Context) (string, error) {
	home := filepath.Join(w.Folder, "linked")
	if err := link(ctx, home, "java.base"); err != nil {
		return "", err
	}
	return w.workloads(ctx, LinkedName, home, "")
}

// workloads makes an image that runs them. There is no shell in it.
func (w Workshop) workloads(ctx context.Context, name, home, user string) (string, error) {
	classes, err := w.compile(ctx)
	if err != nil {
		return "", err
	}
	libraries, err := w.sharedLibraries(ctx, home)
	if err != nil {
		return "", err
	}
	profiler, err := w.profiler()
	if err != nil {
		return "", err
	}
	config := v1.Config{
		Env: []string{"PATH=/opt/java/bin:/bin"}, Entrypoint: []string{"java"}, Cmd: []string{"-Xmx64m", "-cp", "/app", "Work"},
		User: user, WorkingDir: "/app",
	}
	return w.write(name, config, func(b *archive.Builder) error {
		b.Tree("/app", classes)
		b.File(Profiler, 0o755, profiler)
		return javaFiles(home, libraries)(b)
	})
}

func link(ctx context.Context, home, modules string) error {
	command := exec.CommandContext(ctx, "jlink", "--output", home, "--strip-debug", "--no-header-files", "--no-man-pages", "--add-modules", modules)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("link a runtime of %s: %w: %s", modules, err, output)
	}
	return nil
}

// JDK makes an image of this host's JDK, as small as compiling and profiling
// allow.
func (w Workshop) JDK(ctx context.Context) (string, error) {
	home := filepath.Join(w.Folder, "jdk")
	if err := link(ctx, home, "jdk.compiler,java.logging,java.management,jdk.attach,jdk.jfr,jdk.unsupported"); err != nil {
		return "", err
	}
	libraries, err := w.sharedLibraries(ctx, home)
	if err != nil {
		return "", err
	}
	return w.write(JDKName, v1.Config{Env: []string{"PATH=/opt/java/bin:/bin"}}, javaFiles(home, libraries))
}

func javaFiles(home string, libraries []string) func(*archive.Builder) error {
	return func(b *archive.Builder) error {
		system(b)
		for _, library := range libraries {
			b.File(library, 0o755, library)
		}
		b.Tree("/opt/java", home)
		return nil
	}
}

// compile builds the workloads for the oldest Java.
func (w Workshop) compile(ctx context.Context) (string, error) {
	classes := filepath.Join(w.Folder, "classes")
	if _, err := os.Stat(classes); err == nil {
		return classes, nil // for another version already
	}
	sources, err := filepath.Glob(filepath.Join(w.Root, "tests", "cluster", "images", "java", "*.java"))
	if err != nil {
		return "", fmt.Errorf("list the workloads: %w", err)
	}
	command := exec.CommandContext(ctx, "javac", append([]string{"--release", "11", "-d", classes}, sources...)...)
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("compile the workloads: %w: %s", err, output)
	}
	return classes, nil
}

// write makes an image of one layer and its archive.
func (w Workshop) write(name string, config v1.Config, fill func(*archive.Builder) error) (string, error) {
	builder, err := archive.NewBuilder(w.Folder)
	if err != nil {
		return "", err
	}
	if err := fill(builder); err != nil {
		return "", err
	}
	layer, err := builder.Layer()
	if err != nil {
		return "", fmt.Errorf("make image %s: %w", name, err)
	}
	image, err := archive.Image(runtime.GOARCH, config, layer)
	if err != nil {
		return "", fmt.Errorf("make image %s: %w", name, err)
	}
	path := filepath.Join(w.Folder, strings.NewReplacer("/", "-", ":", "-").Replace(name)+".tar")
	return path, archive.Write(path, archive.Named{Reference: name, Image: image})
}

// system adds what any program expects of one.
func system(b *archive.Builder) {
	for _, folder := range []string{"/proc", "/sys", "/dev", "/root"} {
		b.Folder(folder, 0o755)
	}
	b.Folder("/tmp", 0o1777)
	b.Text("/etc/passwd", 0o644, "root:x:0:0:root:/root:/bin/sh\nnonroot:x:65532:65532:nonroot:/tmp:/bin/sh\n")
	b.Text("/etc/group", 0o644, "root:x:0:\nnonroot:x:65532:\n")
	b.Text("/etc/nsswitch.conf", 0o644, "hosts: files dns\n")
}

var libraryPath = regexp.MustCompile(`/\S+\.so\S*`)

// sharedLibraries lists what a Java runtime loads of the host, and what the
// profiler's library does: any Linux distribution has it, a hand-made image may
// not.
func (w Workshop) sharedLibraries(ctx context.Context, home string) ([]string, error) {
	profiler, err := w.profiler()
	if err != nil {
		return nil, err
	}
	var found []string
	for _, file := range []string{profiler, filepath.Join(home, "bin/java"), filepath.Join(home, "lib/server/libjvm.so")} {
		output, err := exec.CommandContext(ctx, "ldd", file).Output()
		if err != nil {
			return nil, fmt.Errorf("list the libraries of %s: %w", file, err)
		}
		found = append(found, libraryPath.FindAllString(string(output), -1)...)
	}
	found = slices.DeleteFunc(found, func(path string) bool { return strings.HasPrefix(path, home) })
	slices.Sort(found)
	return slices.Compact(found), nil
}

func (w Workshop) profiler() (string, error) {
	found, err := filepath.Glob(filepath.Join(w.Cache, "async-profiler-*", "linux-x64", "libasyncProfiler.so"))
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("find the profiler's library in %s: run tests/setup/setup.sh profiler", w.Cache)
	}
	return found[0], nil
}
