package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/term"

	"github.com/podflame/podflame/webhook/internal/inject"
	"github.com/podflame/podflame/webhook/internal/manifest"
)

// Exit codes of "webhook inject".
const (
	exitBadInput = 2
	exitSkipped  = 3
)

// What the offline command assumes where a cluster would tell.
const (
	offlineServerVersion = "1.34"
	offlineImage         = "podflame-sidecar:latest"
)

// InjectCmd shows what the webhook would do to manifests, by the same function
// and, given the same flags, with the same result.
type InjectCmd struct {
	File                 []string          `short:"f" required:"" sep:"none" placeholder:"FILE" help:"Manifests to read, YAML or JSON: a file, a folder of *.yaml, *.yml and *.json, or - for standard input. Repeatable."`
	Output               string            `short:"o" enum:"as-read,yaml,json" default:"as-read" help:"Format of the output: yaml, json, or as-read, which keeps what does not change byte for byte."`
	Check                bool              `help:"Print the decisions only, not the manifests."`
	Annotate             bool              `help:"Opt in every pod that says nothing: annotate it with profiling.io/enabled."`
	Color                string            `enum:"auto,always,never" default:"auto" help:"Colour the decisions: always, never, or auto, on a terminal without NO_COLOR."`
	Namespace            string            `short:"n" default:"default" help:"Namespace of objects that name none."`
	NamespaceLabels      map[string]string `mapsep:"," placeholder:"KEY=VALUE,..." help:"Labels of the namespaces that the manifests do not hold themselves."`
	NamespaceAnnotations map[string]string `mapsep:"," placeholder:"KEY=VALUE,..." help:"Likewise, their annotations."`
	Sidecar              sidecarFlags      `embed:"" group:"Sidecar"`

	stdin          io.Reader
	stdout, stderr io.Writer
}

// Help is shown under the flags.
func (c *InjectCmd) Help() string {
	return `Reads Pods, PodTemplates, Deployments, StatefulSets, DaemonSets, ReplicaSets,
ReplicationControllers, Jobs, CronJobs, other kinds with a pod in spec.template
(Rollouts) and Lists of them, in as many documents as there are; everything else
passes unchanged. The manifests go to standard output, and for each pod the
decision, its reason and the remedy to standard error.

Exit code: 0 if every pod that asks for profiling has the sidecar now, and at
least one does; 3 if one was skipped, or none asks; 2 if the input could not be
read or is a template with placeholders, and then nothing is printed to standard
output; 1 for everything else.`
}

// exitError is an error with the exit code that scripts tell it by.
type exitError struct {
	error
	code int
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e exitError) Unwrap() error { return e.error }

// exitCode is 1 for errors that are not told apart.
func exitCode(err error) int {
	if e, ok := errors.AsType[exitError](err); ok {
		return e.code
	}
	return 1
}

// Run reads, decides and prints. Its error is an exitError where Help names a
// code other than 1.
func (c *InjectCmd) Run() error {
	c.stdin, c.stdout, c.stderr = os.Stdin, os.Stdout, os.Stderr
	return c.run()
}

func (c *InjectCmd) run() error {
	options, err := c.options()
	if err != nil {
		return err
	}
	sources, err := c.read()
	if err != nil {
		return exitError{err, exitBadInput}
	}
	output, results, err := manifest.Inject(sources, options)
	if err != nil {
		return exitError{err, exitBadInput}
	}
	if !c.Check {
		if _, err := c.stdout.Write(output); err != nil {
			return fmt.Errorf("write manifests: %w", err)
		}
	}
	if err := c.report(results); err != nil {
		return err
	}
	return outcome(results)
}

func (c *InjectCmd) options() (manifest.Options, error) {
	config, err := c.Sidecar.config()
	if err != nil {
		return manifest.Options{}, err
	}
	if config.ServerVersion == "" {
		config.ServerVersion = offlineServerVersion
	}
	if config.Image == "" {
		config.Image = offlineImage
	}
	if err := config.Validate(); err != nil {
		return manifest.Options{}, fmt.Errorf("check flags of the sidecar: %w", err)
	}
	format := manifest.Format(c.Output)
	if c.Output == "as-read" {
		format = manifest.AsRead
	}
	return manifest.Options{
		Config: config, Namespace: c.Namespace, NamespaceLabels: c.NamespaceLabels,
		NamespaceAnnotations: c.NamespaceAnnotations, Annotate: c.Annotate, Format: format,
	}, nil
}

// read reads all files; the files of a folder in the order of their names, and
// not those of folders in it, as kubectl does.
func (c *InjectCmd) read() ([]manifest.Source, error) {
	var sources []manifest.Source
	for _, name := range c.File {
		files, err := filesOf(name)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			text, err := c.readFile(file)
			if err != nil {
				return nil, err
			}
			sources = append(sources, manifest.Source{Name: file, Text: text})
		}
	}
	return sources, nil
}

func filesOf(name string) ([]string, error) {
	if !isFolder(name) {
		return []string{name}, nil
	}
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, fmt.Errorf("read folder of manifests: %w", err)
	}
	var files []string
	for _, entry := range entries {
		if !entry.IsDir() && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(entry.Name())) {
			files = append(files, filepath.Join(name, entry.Name()))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("folder %s holds no *.yaml, *.yml or *.json", name)
	}
	return files, nil
}

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// readFile takes one byte more than is allowed, so that the excess is noticed.
func (c *InjectCmd) readFile(name string) ([]byte, error) {
	source := c.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("open manifests: %w", err)
		}
		defer f.Close()
		source = f
	}
	input, err := io.ReadAll(io.LimitReader(source, manifest.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read manifests %s: %w", name, err)
	}
	return input, nil
}

func (c *InjectCmd) report(results []manifest.Result) error {
	d := describer{colored: colored(c.Color, c.stderr)}
	for _, r := range results {
		d.describe(r)
	}
	if _, err := io.WriteString(c.stderr, d.text.String()); err != nil {
		return fmt.Errorf("write decisions: %w", err)
	}
	return nil
}

// colored says whether to colour what goes to a stream.
func colored(choice string, stream io.Writer) bool {
	file, isFile := stream.(*os.File)
	return choice == "always" || choice == "auto" && os.Getenv("NO_COLOR") == "" && isFile && term.IsTerminal(int(file.Fd()))
}

// outcome is nil if every pod that asks has the sidecar, and one does.
func outcome(results []manifest.Result) error {
	asked, skipped := 0, 0
	for _, r := range results {
		if !r.Decision.Asked() {
			continue
		}
		asked++
		if !r.Decision.Inject && r.Decision.Reason() != inject.AlreadyInjected {
			skipped++
		}
	}
	switch {
	case skipped > 0:
		return exitError{fmt.Errorf("%d of %d pods that ask for profiling are skipped", skipped, asked), exitSkipped}
	case asked == 0 && slices.ContainsFunc(results, warned):
		return exitError{errors.New("no pod asks for profiling; see the warnings"), exitSkipped}
	case asked == 0:
		return exitError{errors.New("no pod asks for profiling"), exitSkipped}
	}
	return nil
}

func warned(r manifest.Result) bool { return len(r.Decision.Warnings) > 0 }
