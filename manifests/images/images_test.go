package main

import (
	"archive/tar"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// TestArchiveHoldsTheThreeImages makes the archive as `make images` does, of
// programs that are stand-ins.
func TestArchiveHoldsTheThreeImages(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("this host has no C library for the stand-in of ClickHouse")
	}
	programs, cache := workshop(t)
	output := filepath.Join(t.TempDir(), "images.tar")
	if err := run(arguments(programs, cache, "--output", output)); err != nil {
		t.Fatal(err)
	}
	for program, want := range map[string][]string{
		"webhook": {"usr/local/bin/webhook", "etc/passwd", "tmp/"},
		"sidecar": {"usr/local/bin/sidecar", "usr/local/bin/libasyncProfiler.so"},
		"backend": {"usr/local/bin/backend", "usr/lib/podflame/libchdb.so", "lib64/ld-linux-x86-64.so.2"},
	} {
		tag, err := name.NewTag("ghcr.io/podflame/" + program + ":1.2.3")
		if err != nil {
			t.Fatal(err)
		}
		image, err := tarball.ImageFromPath(output, &tag)
		if err != nil {
			t.Fatal(err)
		}
		check(t, image, program, want)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(programs), ".images-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestPush puts the images onto a base from a registry, uploads them to it for
// both architectures, and makes one tag of them.
func TestPush(t *testing.T) {
	programs, cache := workshop(t)
	server := httptest.NewServer(registry.New())
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	base, prefix := pushBase(t, host), host+"/podflame/"
	for _, architecture := range []string{"amd64", "arm64"} {
		if err := run(arguments(programs, cache, "--push", "--arch", architecture, "--prefix", prefix, "--base-static", base, "--base-libc", base)); err != nil {
			t.Fatal(err)
		}
	}
	if err := run([]string{"--index", "--prefix", prefix, "--tag", "1.2.3"}); err != nil {
		t.Fatal(err)
	}
	for _, program := range programNames {
		for _, architecture := range []string{"amd64", "arm64"} {
			checkPushed(t, prefix+program+":1.2.3", program, architecture)
		}
	}
}

func checkPushed(t *testing.T, reference, program, architecture string) {
	t.Helper()
	tag, err := name.NewTag(reference)
	if err != nil {
		t.Fatal(err)
	}
	image, err := remote.Image(tag, remote.WithPlatform(v1.Platform{OS: "linux", Architecture: architecture}))
	if err != nil {
		t.Fatal(err)
	}
	check(t, image, program, []string{"usr/local/bin/" + program})
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Architecture != architecture || !slices.Contains(config.Config.Env, "FROM=base") {
		t.Errorf("%s for %s: made for %s, environment %v without that of the base", program, architecture, config.Architecture, config.Config.Env)
	}
}

func TestIndexNeedsBothArchitectures(t *testing.T) {
	server := httptest.NewServer(registry.New())
	defer server.Close()
	err := run([]string{"--index", "--prefix", strings.TrimPrefix(server.URL, "http://") + "/podflame/", "--tag", "1.2.3"})
	if err == nil || !strings.Contains(err.Error(), "webhook:1.2.3-amd64, which must be pushed first") {
		t.Errorf("error %v does not say what is missing", err)
	}
}

func TestWrongSettings(t *testing.T) {
	programs, cache := workshop(t)
	for want, given := range map[string][]string{
		"--arch riscv64":   arguments(programs, cache, "--output", "x", "--arch", "riscv64"),
		"one of --output":  arguments(programs, cache),
		"--base-static":    arguments(programs, cache, "--push"),
		"make images":      {"--output", "x"},
		"setup.sh":         arguments(programs, t.TempDir(), "--output", filepath.Join(t.TempDir(), "x")),
		"usr/local/bin/we": arguments(t.TempDir(), cache, "--output", filepath.Join(t.TempDir(), "x"), "--notices", filepath.Join(programs, "sbom")),
		"make sbom":        arguments(programs, cache, "--output", filepath.Join(t.TempDir(), "x"), "--notices", t.TempDir()),
	} {
		if err := run(given); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error %v, want one with %q", given, err, want)
		}
	}
}

func arguments(programs, cache string, more ...string) []string {
	return append([]string{"--programs", programs, "--notices", filepath.Join(programs, "sbom"), "--licence", "../../LICENSE", "--cache", cache, "--tag", "1.2.3", "--asprof", "A", "--clickhouse", "C"}, more...)
}

// workshop makes stand-ins for the programs and libraries; that of ClickHouse is
// one that loads C libraries, as it does.
func workshop(t *testing.T) (programs, cache string) {
	t.Helper()
	folder := t.TempDir()
	programs, cache = filepath.Join(folder, "build"), filepath.Join(folder, "cache")
	for _, path := range []string{
		"build/webhook", "build/sidecar", "build/backend",
		"cache/async-profiler-A/linux-x64/libasyncProfiler.so", "cache/async-profiler-A/linux-arm64/libasyncProfiler.so",
		"build/sbom/webhook.licences.txt", "build/sbom/sidecar.licences.txt", "build/sbom/backend.licences.txt",
		"build/sbom/webhook.cdx.json", "build/sbom/sidecar.cdx.json", "build/sbom/backend.cdx.json",
	} {
		write(t, filepath.Join(folder, path), path)
	}
	dynamic, err := os.ReadFile("/bin/ls")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(cache, "clickhouse-C", "libchdb.so"), string(dynamic))
	return programs, cache
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
		t.Fatal(err)
	}
}

func pushBase(t *testing.T, host string) string {
	t.Helper()
	base, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	if base, err = mutate.Config(base, v1.Config{Env: []string{"FROM=base"}}); err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(host + "/base:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, base); err != nil {
		t.Fatal(err)
	}
	digest, err := base.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return tag.Context().Digest(digest.String()).String()
}

func check(t *testing.T, image v1.Image, program string, want []string) {
	t.Helper()
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Config.User != "65532:65532" || !slices.Equal(config.Config.Entrypoint, []string{"/usr/local/bin/" + program}) || config.OS != "linux" {
		t.Errorf("%s: config %+v", program, config)
	}
	files, texts := map[string]bool{}, map[string]string{}
	reader := tar.NewReader(mutate.Extract(image))
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = true
		if mode := map[string]int64{"webhook": 0o755, "sidecar": 0o711, "backend": 0o755}[program]; header.Name == "usr/local/bin/"+program && header.Mode != mode {
			t.Errorf("%s has mode %o, want %o", header.Name, header.Mode, mode)
		}
		if strings.HasPrefix(header.Name, "licenses/") && header.Typeflag == tar.TypeReg {
			text, err := io.ReadAll(reader)
			if err != nil || header.Mode != 0o644 {
				t.Errorf("%s: %s has mode %o, %v", program, header.Name, header.Mode, err)
			}
			texts[header.Name] = string(text)
		}
	}
	if !strings.Contains(texts["licenses/LICENSE"], "Apache License") || texts["licenses/licences.txt"] != "build/sbom/"+program+".licences.txt" ||
		texts["licenses/sbom.json"] != "build/sbom/"+program+".cdx.json" {
		t.Errorf("%s: the licences in its image are %.200q", program, texts)
	}
	for _, path := range want {
		if !files[path] && !files[strings.TrimSuffix(path, "/")] {
			t.Errorf("%s: no %s in its image", program, path)
		}
	}
}
