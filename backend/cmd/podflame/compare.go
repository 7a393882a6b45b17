package main

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/client"
	"github.com/podflame/podflame/backend/internal/report"
)

// baseFlags say what a selection is compared to: itself, but for what they say.
type baseFlags struct {
	BaseAgo      time.Duration `placeholder:"DURATION" help:"The same, so long before."`
	BaseFrom     instant       `placeholder:"TIME" help:"Begin of the base."`
	BaseTo       instant       `placeholder:"TIME" help:"End of the base; as long as the other side if not said."`
	BaseVersions []string      `name:"base-version" placeholder:"VERSION" help:"Versions of the base."`
	BasePods     []string      `name:"base-pod" placeholder:"POD" help:"Pods of the base."`
	BaseService  string        `placeholder:"SERVICE" help:"Another service as base."`
}

func (f *baseFlags) said() bool {
	return f.BaseAgo != 0 || f.BaseFrom.said || f.BaseTo.said || len(f.BaseVersions) > 0 || len(f.BasePods) > 0 || f.BaseService != ""
}

// base is what a selection is compared to.
func (a *app) base(ctx context.Context, b *backend, s client.Selection, f baseFlags) (client.Selection, error) {
	base := s
	length := s.To.Sub(s.From)
	switch {
	case f.BaseAgo != 0:
		base.Span = client.Span{From: s.From.Add(-f.BaseAgo.Abs()), To: s.To.Add(-f.BaseAgo.Abs())}
	case f.BaseFrom.said:
		base.From = f.BaseFrom.at(a.now()).Truncate(time.Second)
		base.To = base.From.Add(length)
		if f.BaseTo.said {
			base.To = f.BaseTo.at(a.now()).Truncate(time.Second)
		}
	case f.BaseTo.said:
		base.To = f.BaseTo.at(a.now()).Truncate(time.Second)
		base.From = base.To.Add(-length)
	}
	if len(f.BaseVersions) > 0 {
		base.Versions = f.BaseVersions
	}
	if len(f.BasePods) > 0 {
		base.Pods = f.BasePods
	}
	if f.BaseService != "" {
		found, err := a.find(ctx, b, base.Span, s.Cluster, "", f.BaseService)
		if err != nil {
			return base, err
		}
		base.Key = found.Key
	}
	return base, nil
}

type diffCmd struct {
	targetFlags
	spanFlags
	filterFlags
	baseFlags
	outputFlag
	Limit int    `short:"l" default:"20" help:"The most functions."`
	Order string `enum:"self,total" default:"self" help:"What is compared: self or total."`
	Nodes int    `default:"65536" help:"The most nodes to ask for, up to 262144; the heaviest are kept."`
}

// Validate is called by kong after parsing.
func (c *diffCmd) Validate() error {
	if !c.said() {
		return usagef("nothing says what to compare to: give --base-version, --base-ago, --base-from, --base-pod or --base-service")
	}
	return nil
}

// Run prints the table of differences.
func (c *diffCmd) Run(ctx context.Context, a *app) error {
	return a.ask(ctx, func(ctx context.Context, b *backend) error {
		s, err := a.selection(ctx, b, c.targetFlags, c.filterFlags, c.spanFlags)
		if err != nil {
			return err
		}
		base, err := a.base(ctx, b, s, c.baseFlags)
		if err != nil {
			return err
		}
		query := s.Base(s.Query(), base)
		query.Set("nodes", strconv.Itoa(c.Nodes))
		_, err = answer(ctx, a, b, c.outputFlag, "/api/v1/diff", query, func(d *api.Diff) string {
			return client.Linked(report.Diff(d, base.Title(), s.Title(), max(c.Limit, 1), c.Order == "total", a.style()), b.link(),
				client.Comparison{Page: "/compare", Head: s, Base: base})
		})
		return err
	})
}

type changesCmd struct {
	targetFlags
	spanFlags
	baseFlags
	outputFlag
	Limit int  `short:"l" default:"20" help:"The most functions, up to 10000."`
	Check bool `help:"Exit with 6 if a function changed, with 7 if there is not enough data to tell."`
}

// Help is shown under the flags.
func (c *changesCmd) Help() string {
	return "Without a base, the newest version in the time is compared to the one before, and a service of one version to itself a day ago. " +
		"Look far enough back that both versions are in the time: --since=24h."
}

// Run prints the functions that changed.
func (c *changesCmd) Run(ctx context.Context, a *app) error {
	return a.ask(ctx, func(ctx context.Context, b *backend) error {
		s, err := a.selection(ctx, b, c.targetFlags, filterFlags{}, c.spanFlags)
		if err != nil {
			return err
		}
		base, err := a.base(ctx, b, s, c.baseFlags)
		if err != nil {
			return err
		}
		query := s.Base(s.Query(), base)
		query.Set("limit", strconv.Itoa(c.Limit))
		said, err := answer(ctx, a, b, c.outputFlag, "/api/v1/changes", query, func(t *api.Changes) string {
			return client.Linked(report.Changes(t, s.Title(), a.style()), b.link(), client.Comparison{Page: "/changes", Head: s, Base: base})
		})
		switch {
		case err != nil || !c.Check:
			return err
		case !said.Enough:
			return verdict(exitTooLittle)
		case len(said.Changes) > 0:
			return verdict(exitChanged)
		}
		return nil
	})
}

type regressionsCmd struct {
	outputFlag
	Namespace string `short:"n" help:"Only services of this namespace."`
	Limit     int    `short:"l" default:"50" help:"The most verdicts, worse first."`
	Check     bool   `help:"Exit with 6 if a service is worse."`
}

// Run prints the verdicts.
func (c *regressionsCmd) Run(ctx context.Context, a *app) error {
	return a.ask(ctx, func(ctx context.Context, b *backend) error {
		query := url.Values{}
		if c.Namespace != "" {
			query.Set("namespace", c.Namespace)
		}
		said, err := answer(ctx, a, b, c.outputFlag, "/api/v1/regressions", query, func(r *api.Regressions) string {
			return report.Regressions(r, max(c.Limit, 1), a.style())
		})
		if err != nil || !c.Check {
			return err
		}
		for _, r := range said.Regressions {
			if r.Verdict == api.Worse {
				return verdict(exitChanged)
			}
		}
		return nil
	})
}
