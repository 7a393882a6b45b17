// Command sidecar profiles the JVMs of its pod, or of a host.
//
//	sidecar [run]          find JVMs, profile them, send windows to the backend
//	sidecar targets        list the JVMs it sees and why it does or does not profile them
//	sidecar inspect FILE   print what a recording holds
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/inspect"
)

// version is set by the build.
var version = "dev"

type cli struct {
	Run     RunCmd           `cmd:"" default:"withargs" help:"Profile JVMs and send the windows to the backend (default)."`
	Targets TargetsCmd       `cmd:"" help:"List the JVMs that can be seen, and why they are or are not profiled."`
	Inspect InspectCmd       `cmd:"" help:"Print what a recording holds."`
	Decode  DecodeCmd        `cmd:"" hidden:"" help:"Read chunks for a parent process."`
	Version kong.VersionFlag `help:"Print the version."`
}

func main() { os.Exit(run()) }

// exit ends the program after --help or --version, or with status 2 when the
// arguments are wrong.
func exit(code int) {
	if code != 0 {
		code = 2
	}
	os.Exit(code)
}

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	command := kong.Parse(&cli{},
		kong.Name("sidecar"), kong.Description("Continuous profiling of JVMs: the part that runs beside them."),
		kong.UsageOnError(), kong.Exit(exit), kong.Vars{
			"version": version, "shared": contract.SharedPath, "state": contract.StatePath, "port": strconv.Itoa(contract.MetricsPort),
		},
		kong.BindTo(ctx, (*context.Context)(nil)))
	err := command.Run()
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "sidecar: error:", err)
	if coded, ok := errors.AsType[*inspect.Error](err); ok {
		return int(coded.Code)
	}
	return 1
}
