package archive_test

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/podflame/podflame/manifests/images/archive"
)

// TestReadAsDockerArchive reads the file as `docker load` does, by its
// manifest.json, and checks every digest.
func TestReadAsDockerArchive(t *testing.T) {
	path := twoImages(t)
	for reference, want := range map[string]string{"local/one:1": "first", "example.com/two:2": "second"} {
		tag := parse(t, reference)
		image, err := tarball.ImageFromPath(path, &tag)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(image); err != nil {
			t.Errorf("%s: %v", reference, err)
		}
		checkImage(t, image, want)
	}
}

// TestReadAsLayout reads the same file as an OCI image layout, as containerd
// does.
func TestReadAsLayout(t *testing.T) {
	folder := unpack(t, twoImages(t))
	index, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		t.Fatal(err)
	}
	// The library validates compressed layers only: blobs are checked below.
	if err := validate.Index(index, validate.Fast); err != nil {
		t.Error(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, descriptor := range manifest.Manifests {
		names = append(names, descriptor.Annotations["io.containerd.image.name"])
		if descriptor.Platform == nil || descriptor.Platform.Architecture != "amd64" || descriptor.Platform.OS != "linux" {
			t.Errorf("%s is for %v", names[len(names)-1], descriptor.Platform)
		}
		image, err := index.Image(descriptor.Digest)
		if err != nil {
			t.Fatal(err)
		}
		checkImage(t, image, []string{"first", "second"}[len(names)-1])
	}
	if got := strings.Join(names, " "); got != "docker.io/local/one:1 example.com/two:2" {
		t.Errorf("containerd would name the images %s", got)
	}
}

// TestSameContentSameArchive shows that neither time nor order of files gets in.
func TestSameContentSameArchive(t *testing.T) {
	if first, second := digest(t, twoImages(t)), digest(t, twoImages(t)); first != second {
		t.Errorf("two archives of the same content differ: %s, %s", first, second)
	}
}

func TestSharedLayerIsWrittenOnce(t *testing.T) {
	seen := map[string]int{}
	walk(t, twoImages(t), func(header *tar.Header, _ io.Reader) { seen[header.Name]++ })
	for name, count := range seen {
		if count != 1 {
			t.Errorf("%s is there %d times", name, count)
		}
	}
}

func TestBlobsHoldWhatTheyAreNamedBy(t *testing.T) {
	walk(t, twoImages(t), func(header *tar.Header, content io.Reader) {
		want, ok := strings.CutPrefix(header.Name, "blobs/sha256/")
		if !ok {
			return
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, content); err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(sum.Sum(nil)); got != want {
			t.Errorf("%s has digest %s", header.Name, got)
		}
	})
}

func TestBuilderRefuses(t *testing.T) {
	for name, fill := range map[string]func(*archive.Builder){
		"a file that is not there": func(b *archive.Builder) { b.File("/a", 0o644, "/does/not/exist") },
		"two files of one name":    func(b *archive.Builder) { b.Text("/a", 0o644, "x"); b.Text("a", 0o644, "y") },
	} {
		builder, err := archive.NewBuilder(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		fill(builder)
		if _, err := builder.Layer(); err == nil || !strings.Contains(err.Error(), "/a") && !strings.Contains(err.Error(), " a ") {
			t.Errorf("%s: error %v does not name it", name, err)
		}
	}
}

func TestWriteLeavesNothingOnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "images.tar")
	if err := archive.Write(path, archive.Named{Reference: "not a reference", Image: image(t, layer(t, "x"), "x")}); err == nil {
		t.Fatal("a bad reference is accepted")
	}
	if left, _ := filepath.Glob(path + "*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// twoImages share their first layer.
func twoImages(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "images.tar")
	base := layer(t, "base")
	err := archive.Write(path,
		archive.Named{Reference: "local/one:1", Image: image(t, base, "first")},
		archive.Named{Reference: "example.com/two:2", Image: image(t, base, "second")})
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func image(t *testing.T, base v1.Layer, content string) v1.Image {
	t.Helper()
	made, err := archive.Image("amd64", v1.Config{Entrypoint: []string{"/" + content}}, base, layer(t, content))
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// layer holds a folder tree with a file, a program and a link.
func layer(t *testing.T, content string) v1.Layer {
	t.Helper()
	source := t.TempDir()
	write(t, filepath.Join(source, "program"), content, 0o755)
	if err := os.Symlink("program", filepath.Join(source, "link")); err != nil {
		t.Fatal(err)
	}
	builder, err := archive.NewBuilder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	builder.Folder("/tmp", 0o1777)
	builder.Text("/etc/"+content, 0o600, content)
	builder.Tree("/opt/"+content, source)
	made, err := builder.Layer()
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// checkImage looks at the file system that a container would see.
func checkImage(t *testing.T, image v1.Image, content string) {
	t.Helper()
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(config.Config.Entrypoint, " "); got != "/"+content {
		t.Errorf("entry point %q, want /%s", got, content)
	}
	files := map[string]*tar.Header{}
	reader := tar.NewReader(mutate.Extract(image))
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = header
		if header.Uid != 0 || header.Gid != 0 || header.ModTime.Unix() != 0 {
			t.Errorf("%s belongs to %d:%d and is from %s", header.Name, header.Uid, header.Gid, header.ModTime)
		}
	}
	for name, mode := range map[string]int64{"tmp": 0o1777, "etc/" + content: 0o600, "etc/base": 0o600, "opt/" + content + "/program": 0o755} {
		if found := files[name]; found == nil || found.Mode != mode {
			t.Errorf("%s: %+v, want mode %o", name, found, mode)
		}
	}
	if link := files["opt/"+content+"/link"]; link == nil || link.Linkname != "program" {
		t.Errorf("the link is %+v", link)
	}
}
