// Command backend takes the profiles that sidecars upload, keeps them in
// ClickHouse, and shows them.
//
// "backend serve" (the default) runs it, with a ClickHouse of its own unless
// --clickhouse names one; "backend version" says what this is, "backend licences"
// what its ClickHouse was linked from.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/podflame/podflame/backend/internal/store/embedded"
)

// commandLine is what can be asked of the program. Every flag can be given as
// the environment variable that --help shows.
type commandLine struct {
	LogLevel  slog.Level `default:"info" env:"PODFLAME_LOG_LEVEL" help:"Least severity that is logged: debug, info, warn or error."`
	LogFormat string     `default:"json" enum:"json,text" env:"PODFLAME_LOG_FORMAT" help:"Format of the log: json or text."`

	Serve    serveCmd    `cmd:"" default:"withargs" help:"Take, keep and show profiles."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
	Licences licencesCmd `cmd:"" help:"Print the licences of what the ClickHouse inside was linked from."`
}

func main() {
	// The embedded ClickHouse is this program again, as its own child.
	if code, isChild := embedded.RunChild(); isChild {
		os.Exit(code)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "backend: %v\n", err)
		os.Exit(1)
	}
}

// run parses the arguments and runs the command they name until it is done or
// the context ends.
func run(ctx context.Context, arguments []string, stdout, stderr io.Writer) error {
	var line commandLine
	parser, err := kong.New(&line,
		kong.Name("backend"),
		kong.Description("Takes, keeps and shows the profiles of Podflame."),
		kong.Writers(stdout, stderr),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.BindTo(stdout, (*io.Writer)(nil)))
	if err != nil {
		return fmt.Errorf("build command line: %w", err)
	}
	parsed, err := parser.Parse(arguments)
	if err != nil {
		return fmt.Errorf("parse arguments: %w (see backend --help)", err)
	}
	return parsed.Run(line.logger(stderr))
}

func (l *commandLine) logger(to io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: l.LogLevel}
	if l.LogFormat == "text" {
		return slog.New(slog.NewTextHandler(to, options))
	}
	return slog.New(slog.NewJSONHandler(to, options))
}
