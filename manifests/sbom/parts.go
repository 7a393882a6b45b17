package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/licensecheck"
)

// part is one thing of others in an image.
type part struct {
	name, version string
	url           string   // package URL
	licences      []string // SPDX
	text          string   // of the licences
}

func (p part) component() cdx.Component {
	var licences cdx.Licenses
	for _, id := range p.licences {
		licences = append(licences, cdx.LicenseChoice{License: &cdx.License{ID: id}})
	}
	return cdx.Component{BOMRef: p.url, Type: cdx.ComponentTypeLibrary, Name: p.name, Version: p.version, PackageURL: p.url, Licenses: &licences}
}

// goModules are the modules that a program was linked from, and Go itself.
func goModules(program string) ([]part, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return nil, fmt.Errorf("read what %s was built from: %w; run make build", program, err)
	}
	goVersion := strings.TrimPrefix(info.GoVersion, "go")
	std, err := licensed(part{name: "Go", version: goVersion, url: "pkg:golang/std@" + goVersion}, runtime.GOROOT()) //nolint:staticcheck // of the Go that runs this
	if err != nil {
		return nil, err
	}
	parts := []part{std}
	for _, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		directory, err := moduleDirectory(module.Path + "@" + module.Version)
		if err != nil {
			return nil, err
		}
		p, err := licensed(part{name: module.Path, version: module.Version, url: "pkg:golang/" + module.Path + "@" + module.Version}, directory)
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	return parts, nil
}

// moduleDirectory is where the module is unpacked.
func moduleDirectory(module string) (string, error) {
	command := exec.Command("go", "mod", "download", "-json", module) //nolint:noctx // short, and nobody waits for more
	output, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("find the source of %s: %w: %s", module, err, output)
	}
	var answer struct{ Dir string }
	if err := json.Unmarshal(output, &answer); err != nil || answer.Dir == "" {
		return "", fmt.Errorf("find the source of %s: %s", module, output)
	}
	return answer.Dir, nil
}

// frontEndPackages are those that the browser gets.
func frontEndPackages(directory string) ([]part, error) {
	content, err := os.ReadFile(filepath.Join(directory, "package-lock.json"))
	if err != nil {
		return nil, fmt.Errorf("read the packages of the front end: %w", err)
	}
	var lock struct {
		Packages map[string]struct {
			Version string
			Dev     bool
		}
	}
	if err := json.Unmarshal(content, &lock); err != nil {
		return nil, fmt.Errorf("read the packages of the front end: %w", err)
	}
	var parts []part
	for path, p := range lock.Packages {
		name, found := strings.CutPrefix(path, "node_modules/")
		if !found || p.Dev {
			continue
		}
		one, err := licensed(part{name: name, version: p.Version, url: "pkg:npm/" + strings.Replace(name, "@", "%40", 1) + "@" + p.Version}, filepath.Join(directory, path))
		if err != nil {
			return nil, err
		}
		parts = append(parts, one)
	}
	return parts, nil
}

// licensed adds the licences that are in a folder.
func licensed(p part, directory string) (part, error) {
	entries, err := os.ReadDir(directory)
	if err != nil {
		return part{}, fmt.Errorf("look for the licence of %s: %w", p.name, err)
	}
	var texts bytes.Buffer
	for _, entry := range entries {
		name := strings.ToUpper(entry.Name())
		legal := slices.ContainsFunc([]string{"LICEN", "COPYING", "NOTICE"}, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
		if entry.IsDir() || !legal {
			continue
		}
		text, err := os.ReadFile(filepath.Join(directory, entry.Name()))
		if err != nil {
			return part{}, fmt.Errorf("read the licence of %s: %w", p.name, err)
		}
		for _, match := range licensecheck.Scan(text).Match {
			if !slices.Contains(p.licences, match.ID) {
				p.licences = append(p.licences, match.ID)
			}
		}
		texts.Write(append(text, '\n'))
	}
	p.text = texts.String()
	if len(p.licences) == 0 {
		return part{}, errors.New("no licence of " + p.name + " " + p.version + " was found in " + directory)
	}
	return p, nil
}
