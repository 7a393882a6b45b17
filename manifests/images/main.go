// Command images makes Podflame's three container images from the programs that
// `make build` has built and the libraries that `make setup` has fetched:
// without Docker, and without compiling again.
//
// It writes one archive with all of them, for `ctr images import`, `docker
// load`, `kind load image-archive` and `minikube image load`; or it pushes them
// to a registry, on bases from a registry.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// programNames are the three programs, each of which has an image.
var programNames = []string{"webhook", "sidecar", "backend"}

// settings are the flags.
type settings struct {
	programs     string // folder with webhook, sidecar and backend
	architecture string
	notices      string // folder with the licences and bills that make sbom writes
	licence      string // file with our own licence
	cache        string // where setup keeps the libraries
	asprof       string // folder of the profiler's version within cache
	clickhouse   string // folder of ClickHouse's version within cache
	prefix       string // of image names
	tag          string
	output       string // archive to write
	push         bool
	index        bool
	staticBase   string // image under a program that is linked statically
	libcBase     string // image under a program that loads C libraries
}

func main() {
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	var s settings
	flags := flag.NewFlagSet("images", flag.ContinueOnError)
	flags.StringVar(&s.programs, "programs", "build", "folder with the programs webhook, sidecar and backend")
	flags.StringVar(&s.architecture, "arch", runtime.GOARCH, "architecture of the programs: amd64 or arm64")
	flags.StringVar(&s.notices, "notices", "build/sbom", "folder with the licences and bills of materials that make sbom writes")
	flags.StringVar(&s.licence, "licence", "LICENSE", "file with Podflame's own licence")
	flags.StringVar(&s.cache, "cache", defaultCache(), "folder that make setup fills")
	flags.StringVar(&s.asprof, "asprof", "", "version of async-profiler in the cache")
	flags.StringVar(&s.clickhouse, "clickhouse", "", "version of ClickHouse in the cache")
	flags.StringVar(&s.prefix, "prefix", "ghcr.io/podflame/", "what comes before webhook, sidecar and backend in a reference")
	flags.StringVar(&s.tag, "tag", "", "tag of the images")
	flags.StringVar(&s.output, "output", "", "archive to write; or --push")
	flags.BoolVar(&s.push, "push", false, "push to the registry of --prefix, as TAG-ARCH, on the bases of --base-static and --base-libc")
	flags.BoolVar(&s.index, "index", false, "put what was pushed for amd64 and arm64 under one tag, and print the digests to sign")
	flags.StringVar(&s.staticBase, "base-static", "", "base of webhook and sidecar, with digest; what this host has unless given")
	flags.StringVar(&s.libcBase, "base-libc", "", "base of the backend, with digest; what this host has unless given")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if s.index {
		return pushIndexes(s.prefix, s.tag)
	}
	if err := s.check(); err != nil {
		return err
	}
	work, err := os.MkdirTemp(filepath.Dir(s.programs), ".images-")
	if err != nil {
		return fmt.Errorf("make a folder for layers: %w", err)
	}
	defer os.RemoveAll(work)
	images, err := s.build(work)
	if err != nil {
		return err
	}
	if s.push {
		return push(images)
	}
	return s.write(images)
}

func (s settings) check() error {
	switch {
	case s.architecture != "amd64" && s.architecture != "arm64":
		return fmt.Errorf("--arch %s: images are for amd64 or arm64", s.architecture)
	case s.tag == "" || s.asprof == "" || s.clickhouse == "":
		return fmt.Errorf("--tag, --asprof and --clickhouse are needed; `make images` gives them")
	case s.push == (s.output != ""):
		return fmt.Errorf("give one of --output FILE and --push")
	case s.push && (s.staticBase == "" || s.libcBase == ""):
		return fmt.Errorf("--push needs --base-static and --base-libc: an image to publish does not hold files of this host")
	case s.architecture != runtime.GOARCH && s.libcBase == "":
		return fmt.Errorf("--arch %s needs --base-libc: the C library of this host is for %s", s.architecture, runtime.GOARCH)
	}
	return nil
}

func defaultCache() string {
	if cache := os.Getenv("PODFLAME_CACHE"); cache != "" {
		return cache
	}
	home, _ := os.UserHomeDir()
	return filepath.Join(home, ".cache", "podflame")
}
