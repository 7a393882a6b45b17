package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// TestBillsOfRealPrograms builds a small program of this repository, takes it for
// all three, and reads what was written.
func TestBillsOfRealPrograms(t *testing.T) {
	programs, output := t.TempDir(), t.TempDir()
	first := filepath.Join(programs, "webhook")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", first, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	for _, name := range []string{"sidecar", "backend"} {
		if err := os.Link(first, filepath.Join(programs, name)); err != nil {
			t.Fatal(err)
		}
	}
	frontEnd := frontEndOf(t, map[string]string{"react": "MIT License\n\n" + mit})
	linked := filepath.Join(t.TempDir(), "clickhouse.txt")
	if err := os.WriteFile(linked, []byte("zlib\nzlib/libpng license\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	arguments := []string{"--linked", linked, "--programs", programs, "--frontend", frontEnd, "--licence", "../../LICENSE", "--asprof", "4.5", "--clickhouse", "26.7", "--output", output, "--version", "1.2.3"}
	if err := run(arguments); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{
		"webhook": {"pkg:golang/std@", "pkg:golang/github.com/CycloneDX/cyclonedx-go@"},
		"sidecar": {"pkg:github/async-profiler/async-profiler@v4.5"},
		"backend": {"pkg:npm/react@19.0.0", "pkg:npm/%40chdb/lib-linux-x64-gnu@26.7"},
	} {
		file, err := os.Open(filepath.Join(output, name+".cdx.json"))
		if err != nil {
			t.Fatal(err)
		}
		var bill cdx.BOM
		err = cdx.NewBOMDecoder(file, cdx.BOMFileFormatJSON).Decode(&bill)
		_ = file.Close()
		if err != nil || bill.Metadata.Component.Version != "1.2.3" {
			t.Fatalf("%s: %v %+v", name, err, bill.Metadata)
		}
		var urls []string
		for _, c := range *bill.Components {
			urls = append(urls, c.PackageURL)
			if len(*c.Licenses) == 0 {
				t.Errorf("%s: %s has no licence", name, c.PackageURL)
			}
		}
		for _, w := range want {
			if !strings.Contains(strings.Join(urls, "\n"), w) {
				t.Errorf("%s lacks %s: %v", name, w, urls)
			}
		}
		text, err := os.ReadFile(filepath.Join(output, name+".licences.txt"))
		if err != nil || !strings.Contains(string(text), "Apache License") || strings.Contains(string(text), "zlib/libpng") != (name == "backend") {
			t.Errorf("licences of %s: %v %.200s", name, err, text)
		}
	}
}

func TestPartWithoutALicenceIsAnError(t *testing.T) {
	if _, err := frontEndPackages(frontEndOf(t, map[string]string{"mystery": "do what you like, perhaps"})); err == nil || !strings.Contains(err.Error(), "mystery") {
		t.Errorf("error is %v", err)
	}
}

// frontEndOf is a folder with packages, and one that the browser does not get.
func frontEndOf(t *testing.T, licences map[string]string) string {
	t.Helper()
	directory := t.TempDir()
	lock := `{"packages": {"": {"version": "0.0.0"}, "node_modules/vite": {"version": "8.0.0", "dev": true}`
	for name, text := range licences {
		lock += `, "node_modules/` + name + `": {"version": "19.0.0"}`
		if err := os.MkdirAll(filepath.Join(directory, "node_modules", name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(directory, "node_modules", name, "LICENSE"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(directory, "package-lock.json"), []byte(lock+"}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	return directory
}

const mit = `Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.`
