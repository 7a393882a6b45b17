package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

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
	File            string            `short:"f" required:"" placeholder:"FILE" help:"Manifests to read, YAML or JSON; - for standard input."`
	Check           bool              `help:"Print the decisions only, not the manifests."`
	Namespace       string            `short:"n" default:"default" help:"Namespace of objects that name none."`
	NamespaceLabels map[string]string `mapsep:"," placeholder:"KEY=VALUE,..." help:"Labels of the namespaces that the manifests do not hold themselves."`
	Sidecar         sidecarFlags      `embed:"" group:"Sidecar"`

	stdin          io.Reader
	stdout, stderr io.Writer
}

// Help is shown under the flags.
func (c *InjectCmd) Help() string {
	return `Reads Pods, PodTemplates, Deployments, StatefulSets, DaemonSets, ReplicaSets,
ReplicationControllers, Jobs, CronJobs and Lists of them, in as many documents
as there are; everything else passes unchanged. The manifests go to standard
output, and for each pod the decision, its reason and the remedy to standard
error.

Exit code: 0 if every pod that asks for profiling has the sidecar now, and at
least one does; 3 if one was skipped, or none asks; 2 if the input could not be
read, and then nothing is printed to standard output; 1 for everything else.`
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
	input, err := c.read()
	if err != nil {
		return exitError{err, exitBadInput}
	}
	output, results, err := manifest.Inject(input, options)
	if err != nil {
		return exitError{fmt.Errorf("%s: %w", c.File, err), exitBadInput}
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
	return manifest.Options{Config: config, Namespace: c.Namespace, NamespaceLabels: c.NamespaceLabels}, nil
}

// read takes one byte more than is allowed, so that the excess is noticed.
func (c *InjectCmd) read() ([]byte, error) {
	source := c.stdin
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return nil, fmt.Errorf("open manifests: %w", err)
		}
		defer f.Close()
		source = f
	}
	input, err := io.ReadAll(io.LimitReader(source, manifest.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read manifests %s: %w", c.File, err)
	}
	return input, nil
}

func (c *InjectCmd) report(results []manifest.Result) error {
	var text strings.Builder
	for _, r := range results {
		describe(&text, r)
	}
	if _, err := io.WriteString(c.stderr, text.String()); err != nil {
		return fmt.Errorf("write decisions: %w", err)
	}
	return nil
}

// describe writes one line with the outcome, and below it what it means.
func describe(text *strings.Builder, r manifest.Result) {
	d := r.Decision
	fmt.Fprintf(text, "%s %s/%s: %s", r.Kind, r.Namespace, r.Name, d.Reason())
	if d.Inject {
		fmt.Fprintf(text, " (containers %s; service %s; sidecar %s)", strings.Join(d.Plan.Containers, ", "), d.Plan.Service, d.Plan.Security)
	}
	text.WriteByte('\n')
	if !d.Inject {
		for _, f := range d.Reasons {
			explain(text, "", f)
		}
	}
	for _, f := range d.Warnings {
		explain(text, "warning: ", f)
	}
}

func explain(text *strings.Builder, prefix string, f inject.Finding) {
	fmt.Fprintf(text, "  %s%s\n", prefix, f.Reason.Text())
	if f.Detail != "" {
		fmt.Fprintf(text, "    detail: %s\n", f.Detail)
	}
	if remedy := f.Reason.Remedy(); remedy != "" {
		fmt.Fprintf(text, "    remedy: %s\n", remedy)
	}
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
