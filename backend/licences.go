package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/podflame/podflame/backend/internal/store/embedded"
)

// licencesCmd is for those who make images: what they hold must be named there.
type licencesCmd struct {
	Library string `name:"clickhouse-library" env:"PODFLAME_CLICKHOUSE_LIBRARY" help:"Path of libchdb.so. Empty: look in the usual places."`
}

// Run starts the ClickHouse inside on an empty directory, and prints the licences
// of what it was linked from.
func (c licencesCmd) Run(ctx context.Context, to io.Writer, log *slog.Logger) (err error) {
	library, err := findLibrary(c.Library)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "podflame-licences-")
	if err != nil {
		return fmt.Errorf("make a directory for ClickHouse: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	server, err := embedded.Start(ctx, embedded.Config{Dir: dir, Library: library, Log: log})
	if err != nil {
		return fmt.Errorf("start the ClickHouse inside: %w", err)
	}
	defer func() { err = errors.Join(err, stopInside(server)) }()
	list, err := server.Licences(ctx)
	if err != nil {
		return fmt.Errorf("ask ClickHouse for its licences: %w", err)
	}
	for _, l := range list {
		if _, err := fmt.Fprintf(to, "\n%s\n%s\n\n%s\n", strings.Join(l.Libraries, ", "), l.Name, strings.TrimSpace(l.Text)); err != nil {
			return fmt.Errorf("write the licences: %w", err)
		}
	}
	return nil
}
