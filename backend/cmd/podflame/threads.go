package main

import (
	"context"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/client"
	"github.com/podflame/podflame/backend/internal/report"
)

type threadsCmd struct {
	targetFlags
	spanFlags
	outputFlag
	Limit int `short:"l" default:"50" help:"The most groups, heaviest first, up to 200."`
}

// Help is shown under the flags.
func (c *threadsCmd) Help() string {
	return "The names are those for --thread and --exclude-thread. Numbers in names of threads are #, so that a pool is one group."
}

// Run prints the list.
func (c *threadsCmd) Run(ctx context.Context, a *app) error {
	return a.ask(ctx, func(ctx context.Context, b *backend) error {
		s, err := a.selection(ctx, b, c.targetFlags, filterFlags{}, c.spanFlags)
		if err != nil {
			return err
		}
		_, err = answer(ctx, a, b, c.outputFlag, "/api/v1/series", s.ByThread(), func(t *api.Series) string {
			return client.Linked(report.Threads(t, s.Title(), max(c.Limit, 1), a.style()), b.link(), s)
		})
		return err
	})
}
