package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"

	"golang.org/x/term"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/client"
	"github.com/podflame/podflame/backend/internal/report"
	"github.com/podflame/podflame/backend/profile"
)

// outputFlag is the format of most answers.
type outputFlag struct {
	Output string `short:"o" enum:"text,json" default:"text" help:"text, or json: the answer of the API as it is."`
}

// answer prints what the API answers: as it is, or as text makes it.
func answer[T any](ctx context.Context, a *app, b *backend, o outputFlag, path string, query url.Values, text func(*T) string) (*T, error) {
	body, err := b.Get(ctx, path, query)
	if err != nil {
		return nil, err
	}
	var out T
	if err := json.Unmarshal(body, &out); err != nil {
		return nil, fmt.Errorf("decode answer of %s: %w (is the backend of another version?)", path, err)
	}
	if o.Output == "json" {
		return &out, a.write(body)
	}
	return &out, a.print(text(&out))
}

type topCmd struct {
	Service string `arg:"" optional:"" predictor:"service" help:"Service, namespace/service, pod, pod/NAME, or a workload such as deploy/NAME; all services if not said."`
	narrowFlags
	spanFlags
	filterFlags
	outputFlag
	priceFlags
	Limit int    `short:"l" default:"20" help:"The most functions, up to 10000."`
	Order string `enum:"self,total" default:"self" help:"What to sort by: self or total."`
}

// Help is shown under the flags.
func (c *topCmd) Help() string {
	return "Without a SERVICE, the functions of all services are added up: --cluster, --namespace and the filters narrow that, and a price says what each costs."
}

// Validate is called by kong after parsing.
func (c *topCmd) Validate() error {
	if c.Service == "" && len(c.Versions)+len(c.Pods)+len(c.Container)+len(c.Nodes)+len(c.Threads)+len(c.NotThreads) > 0 {
		return fmt.Errorf("--version, --pod, --container, --node, --thread and --exclude-thread narrow one service: name it")
	}
	return c.priceFlags.Validate()
}

// Run prints the table.
func (c *topCmd) Run(ctx context.Context, a *app) error {
	if c.Service == "" {
		return c.fleet(ctx, a)
	}
	return a.ask(ctx, func(ctx context.Context, b *backend) error {
		s, err := a.selection(ctx, b, targetFlags{c.Service, c.narrowFlags}, c.filterFlags, c.spanFlags)
		if err != nil {
			return err
		}
		_, err = answer(ctx, a, b, c.outputFlag, "/api/v1/top", c.rows(s.Query()), func(t *api.Top) string {
			return client.Linked(report.Top(t, s.Title(), a.style()), b.link(), s)
		})
		return err
	})
}

func (c *topCmd) rows(query url.Values) url.Values {
	query.Set("limit", strconv.Itoa(c.Limit))
	query.Set("order", c.Order)
	return query
}

// fleet prints the table over all services.
func (c *topCmd) fleet(ctx context.Context, a *app) error {
	span, err := c.span(a.now())
	if err != nil {
		return err
	}
	f := client.Fleet{
		Span: span, Type: profile.Type(c.Type), Cluster: c.Cluster, Namespace: c.Namespace,
		Include: c.Include, Exclude: c.Exclude, Package: c.Package,
	}
	return a.ask(ctx, func(ctx context.Context, b *backend) error {
		_, err := answer(ctx, a, b, c.outputFlag, "/api/v1/fleet/top", c.rows(f.Query()), func(t *api.FleetTop) string {
			return client.Linked(report.Fleet(t, f.Title(), c.price(), a.style()), b.link(), f)
		})
		return err
	})
}

type flameCmd struct {
	targetFlags
	spanFlags
	filterFlags
	Output string  `short:"o" enum:"tree,collapsed,pprof,speedscope,svg,json" default:"tree" help:"tree (text), collapsed, pprof, speedscope, svg, or json: the answer of the API as it is."`
	File   string  `short:"f" type:"path" placeholder:"FILE" help:"Write to this file instead of printing."`
	Least  float64 `default:"0.5" help:"Of a tree: percent of the total that a line must have."`
	Lines  int     `default:"100" help:"Of a tree: the most lines."`
	Depth  int     `help:"Of a tree: the deepest frame; 0 for any."`
	Nodes  int     `default:"8192" help:"The most nodes to ask for, up to 262144; the heaviest are kept."`
}

// Validate is called by kong after parsing.
func (c *flameCmd) Validate() error {
	if c.Least < 0 || c.Least > 100 || c.Lines < 1 || c.Depth < 0 || c.Nodes < 1 {
		return fmt.Errorf("--least=%g must be from 0 to 100, --lines=%d and --nodes=%d at least 1, --depth=%d at least 0", c.Least, c.Lines, c.Nodes, c.Depth)
	}
	return nil
}

// Run prints or writes the call tree.
func (c *flameCmd) Run(ctx context.Context, a *app) error {
	if c.Output == "pprof" && c.File == "" {
		if file, ok := a.stdout.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
			return usagef("pprof is no text for a terminal: give --file, or redirect it")
		}
	}
	return a.ask(ctx, func(ctx context.Context, b *backend) error {
		s, err := a.selection(ctx, b, c.targetFlags, c.filterFlags, c.spanFlags)
		if err != nil {
			return err
		}
		body, err := c.answer(ctx, a, b, s)
		if err != nil {
			return err
		}
		if c.File == "" {
			return a.write(body)
		}
		if err := os.WriteFile(c.File, body, 0o600); err != nil {
			return fmt.Errorf("write %s: %w", c.File, err)
		}
		a.note("wrote %s (%s)", c.File, report.Bytes(float64(len(body))))
		return nil
	})
}

func (c *flameCmd) answer(ctx context.Context, a *app, b *backend, s client.Selection) ([]byte, error) {
	query := s.Query()
	query.Set("nodes", strconv.Itoa(c.Nodes))
	switch c.Output {
	case "collapsed", "pprof", "speedscope":
		return c.export(ctx, a, b, s, query)
	}
	body, err := b.Get(ctx, "/api/v1/flame", query)
	if err != nil || c.Output == "json" {
		return body, err
	}
	var flame api.Flame
	if err := json.Unmarshal(body, &flame); err != nil {
		return nil, fmt.Errorf("decode the call tree: %w (is the backend of another version?)", err)
	}
	if c.Output == "svg" {
		c.cover(a, flame.Coverage, s)
		return []byte(report.SVG(&flame, s.Title())), nil
	}
	style := a.style()
	if c.File != "" {
		style = report.Style{}
	}
	options := report.TreeOptions{Least: c.Least / 100, Lines: c.Lines, Depth: c.Depth}
	return []byte(client.Linked(report.Tree(&flame, s.Title(), options, style), b.link(), s)), nil
}

// export asks for a file and, as a file holds no coverage that people see, for
// the coverage of its range.
func (c *flameCmd) export(ctx context.Context, a *app, b *backend, s client.Selection, query url.Values) ([]byte, error) {
	query.Set("format", c.Output)
	body, err := b.Get(ctx, "/api/v1/export", query)
	if err != nil {
		return nil, err
	}
	covered, err := client.Ask[api.Coverage](ctx, b, "/api/v1/coverage", s.Unfiltered().Query())
	if err != nil {
		return nil, fmt.Errorf("ask for the coverage of the file: %w", err)
	}
	c.cover(a, *covered, s)
	return body, nil
}

// cover tells the coverage where the answer itself is for a program.
func (c *flameCmd) cover(a *app, covered api.Coverage, s client.Selection) {
	_, _ = io.WriteString(a.stderr, report.Coverage(covered, s.Type, report.Style{}))
}
