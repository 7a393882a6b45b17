package session

import (
	"os"
	"path/filepath"
	"testing"
)

func TestVolumeOfAJVM(t *testing.T) {
	base := t.TempDir()
	volumes := Volumes{filepath.Join(base, "app"), filepath.Join(base, "worker")}
	for _, v := range volumes {
		if err := os.Mkdir(v, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// A root in which the second volume alone is mounted.
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, base), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(volumes[1], filepath.Join(root, volumes[1])); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		volumes         Volumes
		container, root string
		want            string
	}{
		"by name":                   {volumes, "worker", "/", volumes[1]},
		"one for all":               {volumes[:1], "worker", "/", volumes[0]},
		"by what the JVM sees":      {volumes, "", root, volumes[1]},
		"unknown name":              {volumes, "other", root, volumes[1]},
		"a name that is a path":     {volumes, "../app", root, volumes[1]},
		"a JVM that sees no volume": {volumes, "", t.TempDir(), volumes[0]},
	} {
		if got := c.volumes.Of(c.container, c.root); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
