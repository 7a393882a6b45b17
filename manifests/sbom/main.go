// Command sbom writes what each image holds: a bill of materials in CycloneDX
// (NAME.cdx.json) and the licences with their texts (NAME.licences.txt). It reads
// the programs that `make build` has built, as these say themselves what modules
// they were linked from, and fails for a part whose licence it cannot find.
//
// What a base image adds is not listed: its maker publishes that.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// settings are the flags.
type settings struct {
	programs   string // folder with webhook, sidecar and backend
	frontEnd   string // folder with package-lock.json and node_modules
	licence    string // file with the text of our own licence, Apache-2.0
	version    string // of Podflame
	asprof     string // version of async-profiler
	clickhouse string // version of ClickHouse as a library
	linked     string // file with the licences of what that was linked from, as the backend prints them
	output     string // folder to write to
}

func main() {
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	var s settings
	flags := flag.NewFlagSet("sbom", flag.ContinueOnError)
	flags.StringVar(&s.programs, "programs", "build", "folder with the programs webhook, sidecar and backend")
	flags.StringVar(&s.frontEnd, "frontend", "frontend", "folder with package-lock.json and node_modules")
	flags.StringVar(&s.licence, "licence", "LICENSE", "file with the text of Apache-2.0")
	flags.StringVar(&s.version, "version", "unknown", "version of Podflame")
	flags.StringVar(&s.asprof, "asprof", "", "version of async-profiler")
	flags.StringVar(&s.clickhouse, "clickhouse", "", "version of ClickHouse as a library")
	flags.StringVar(&s.linked, "linked", "build/sbom/clickhouse.txt", "file that \"backend licences\" has printed")
	flags.StringVar(&s.output, "output", "build/sbom", "folder to write to")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if s.asprof == "" || s.clickhouse == "" {
		return errors.New("--asprof and --clickhouse are needed; `make sbom` gives them")
	}
	if err := os.MkdirAll(s.output, 0o750); err != nil {
		return fmt.Errorf("make the folder of the bills: %w", err)
	}
	for _, name := range []string{"webhook", "sidecar", "backend"} {
		parts, err := s.partsOf(name)
		if err != nil {
			return fmt.Errorf("list the parts of the %s: %w", name, err)
		}
		if err := s.write(name, parts); err != nil {
			return err
		}
		fmt.Printf("sbom: %s: %d parts\n", name, len(parts))
	}
	return nil
}

// partsOf lists what is in the image of a program, by name.
func (s settings) partsOf(program string) ([]part, error) {
	parts, err := goModules(filepath.Join(s.programs, program))
	if err != nil {
		return nil, err
	}
	apache, err := os.ReadFile(s.licence)
	if err != nil {
		return nil, fmt.Errorf("read our licence: %w", err)
	}
	switch program {
	case "sidecar":
		parts = append(parts, part{
			name: "async-profiler", version: s.asprof, url: "pkg:github/async-profiler/async-profiler@v" + s.asprof,
			licences: []string{"Apache-2.0"}, text: string(apache),
		})
	case "backend":
		packages, err := frontEndPackages(s.frontEnd)
		if err != nil {
			return nil, err
		}
		parts = append(parts, packages...)
		linked, err := os.ReadFile(s.linked)
		if err != nil {
			return nil, fmt.Errorf("read the licences of ClickHouse's parts: %w; \"backend licences\" prints them", err)
		}
		parts = append(parts, part{
			name: "@chdb/lib-linux-x64-gnu", version: s.clickhouse, url: "pkg:npm/%40chdb/lib-linux-x64-gnu@" + s.clickhouse,
			licences: []string{"Apache-2.0"},
			text:     "ClickHouse as a library.\n\n" + string(apache) + "\nThe libraries it was linked from, and their licences:\n" + string(linked),
		})
	}
	slices.SortFunc(parts, func(a, b part) int { return strings.Compare(a.url, b.url) })
	return parts, nil
}

func (s settings) write(program string, parts []part) error {
	bill := cdx.NewBOM()
	bill.Metadata = &cdx.Metadata{Component: &cdx.Component{
		BOMRef: "podflame-" + program, Type: cdx.ComponentTypeContainer, Name: "podflame/" + program, Version: s.version,
	}}
	components := make([]cdx.Component, 0, len(parts))
	var texts strings.Builder
	fmt.Fprintf(&texts, "The image of Podflame's %s holds these parts of others.\n", program)
	for _, p := range parts {
		components = append(components, p.component())
		fmt.Fprintf(&texts, "\n%s\n%s %s, %s\n%s\n%s\n", line, p.name, p.version, strings.Join(p.licences, " and "), line, strings.TrimSpace(p.text))
	}
	bill.Components = &components
	file, err := os.Create(filepath.Join(s.output, program+".cdx.json"))
	if err != nil {
		return fmt.Errorf("write the bill of the %s: %w", program, err)
	}
	encoder := cdx.NewBOMEncoder(file, cdx.BOMFileFormatJSON).SetPretty(true)
	if err := errors.Join(encoder.EncodeVersion(bill, cdx.SpecVersion1_6), file.Close()); err != nil {
		return fmt.Errorf("write the bill of the %s: %w", program, err)
	}
	if err := os.WriteFile(filepath.Join(s.output, program+".licences.txt"), []byte(texts.String()), 0o644); err != nil { //nolint:gosec // for everybody
		return fmt.Errorf("write the licences of the %s: %w", program, err)
	}
	return nil
}

const line = "--------------------------------------------------------------------------------"
