package main

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/client"
	"github.com/podflame/podflame/backend/internal/report"
)

type servicesCmd struct {
	spanFlags
	outputFlag
	priceFlags
	Limit int `short:"l" default:"50" help:"The most services, heaviest first."`
}

// priceFlags say what CPUs cost.
type priceFlags struct {
	PricePerCoreHour float64 `placeholder:"PRICE" env:"PODFLAME_PRICE_PER_CORE_HOUR" help:"What one CPU costs for an hour: adds what each costs."`
	Currency         string  `env:"PODFLAME_CURRENCY" help:"Put before amounts of money."`
}

// Validate is called by kong after parsing.
func (f *priceFlags) Validate() error {
	if f.PricePerCoreHour < 0 {
		return fmt.Errorf("--price-per-core-hour=%g is below 0", f.PricePerCoreHour)
	}
	return nil
}

func (f priceFlags) price() report.Price {
	return report.Price{PerCoreHour: f.PricePerCoreHour, Currency: f.Currency}
}

// Run prints the list.
func (c *servicesCmd) Run(ctx context.Context, a *app) error {
	span, err := c.span(a.now())
	if err != nil {
		return err
	}
	return a.ask(ctx, func(ctx context.Context, b *backend) error {
		_, err := answer(ctx, a, b, c.outputFlag, "/api/v1/services", span.Query(), func(s *api.Services) string {
			return report.Services(s, c.price(), max(c.Limit, 1), a.style())
		})
		return err
	})
}

type targetsCmd struct {
	outputFlag
	Service   string `arg:"" optional:"" predictor:"service" help:"Only targets of this service; of all if not said."`
	Cluster   string `help:"Only targets of this cluster."`
	Namespace string `short:"n" help:"Only targets of this namespace."`
	Limit     int    `short:"l" default:"100" help:"The most targets, those in trouble first."`
}

// Run prints the list.
func (c *targetsCmd) Run(ctx context.Context, a *app) error {
	return a.ask(ctx, func(ctx context.Context, b *backend) error {
		query := url.Values{}
		in := client.Key{Cluster: c.Cluster, Namespace: c.Namespace}
		if c.Service != "" {
			span, err := spanFlags{Since: dayAgo}.span(a.now())
			if err != nil {
				return err
			}
			found, err := a.find(ctx, b, span, c.Cluster, c.Namespace, c.Service)
			if err != nil {
				return err
			}
			in = found.Key
			query.Set("cluster", in.Cluster)
		}
		for name, value := range map[string]string{"cluster": in.Cluster, "namespace": in.Namespace, "service": in.Service} {
			if value != "" {
				query.Set(name, value)
			}
		}
		_, err := answer(ctx, a, b, c.outputFlag, "/api/v1/targets", query, func(t *api.Targets) string {
			return report.Targets(t, a.now(), max(c.Limit, 1), a.style())
		})
		return err
	})
}

// dayAgo is how far back a service is looked for where no time is asked for.
const dayAgo = 24 * time.Hour

type healthCmd struct{ outputFlag }

// Run prints the health; without a store the exit code is 5.
func (c *healthCmd) Run(ctx context.Context, a *app) error {
	return a.ask(ctx, func(ctx context.Context, b *backend) error {
		said, err := answer(ctx, a, b, c.outputFlag, "/api/v1/ingest/health", nil, func(h *api.IngestHealth) string {
			return report.Health(h, a.style())
		})
		if err == nil && !said.Store.Available {
			return verdict(exitUnreachable)
		}
		return err
	})
}

type openCmd struct {
	targetFlags
	spanFlags
	filterFlags
}

// Run prints the link. Where we forward the port ourselves the link lasts as
// long as we do, so it waits to be interrupted.
func (c *openCmd) Run(ctx context.Context, a *app) error {
	return a.ask(ctx, func(ctx context.Context, b *backend) error {
		s, err := a.selection(ctx, b, c.targetFlags, c.filterFlags, c.spanFlags)
		if err != nil {
			return err
		}
		covered, err := client.Ask[api.Coverage](ctx, b, "/api/v1/coverage", s.Unfiltered().Query())
		if err != nil {
			return err
		}
		if err := a.print(s.Link(b.URL()) + "\n"); err != nil {
			return err
		}
		fmt.Fprint(a.stderr, report.Coverage(*covered, s.Type, report.Style{}))
		if !b.forwarded {
			return nil
		}
		a.note("forwarding the port until you press Ctrl-C")
		<-ctx.Done()
		return verdict(0)
	})
}
