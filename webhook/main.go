// Command webhook puts the profiling sidecar into the pods that ask for it.
//
// "webhook serve" (the default) is the admission webhook of the cluster, with
// its certificates and its audit; "webhook inject" shows on a terminal what
// the webhook would do to a manifest, "webhook check" what is the matter with an
// installation or a pod.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// commandLine is what can be asked of the program. Every flag can be given as
// the environment variable that --help shows.
type commandLine struct {
	LogLevel  slog.Level `default:"info" env:"PODFLAME_LOG_LEVEL" help:"Least severity that is logged: debug, info, warn or error."`
	LogFormat string     `default:"json" enum:"json,text" env:"PODFLAME_LOG_FORMAT" help:"Format of the log: json or text."`

	Version kong.VersionFlag `help:"Print the version."`

	Serve  serveCmd  `cmd:"" default:"withargs" help:"Serve the admission webhook of the cluster."`
	Check  checkCmd  `cmd:"" help:"Check the installation of a cluster, or explain one of its pods."`
	Inject InjectCmd `cmd:"" help:"Show what the webhook would do to manifests, without a cluster."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "webhook: %v\n", err)
		os.Exit(exitCode(err))
	}
}

// run parses the arguments and runs the command they name until it is done or
// the context ends.
func run(ctx context.Context, arguments []string) error {
	var line commandLine
	parser, err := kong.New(&line,
		kong.Name("webhook"),
		kong.Vars{"version": programVersion()},
		kong.Description("Puts the profiling sidecar of Podflame into pods that ask for it."),
		kong.BindTo(ctx, (*context.Context)(nil)))
	if err != nil {
		return fmt.Errorf("build command line: %w", err)
	}
	parsed, err := parser.Parse(arguments)
	if err != nil {
		return fmt.Errorf("parse arguments: %w (see webhook --help)", err)
	}
	return parsed.Run(line.logger())
}

func (l *commandLine) logger() *slog.Logger {
	options := &slog.HandlerOptions{Level: l.LogLevel}
	if l.LogFormat == "text" {
		return slog.New(slog.NewTextHandler(os.Stderr, options))
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, options))
}
