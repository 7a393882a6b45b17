// Command sidecar profiles the JVMs of its pod, or of a host.
//
//	sidecar                be the first process of a container, which keeps "run" at work
//	sidecar run            find JVMs, profile them, send windows to the backend
//	sidecar targets        list the JVMs it sees and why it does or does not profile them
//	sidecar inspect FILE   print what a recording holds
//	sidecar metrics        print the metrics of the running sidecar
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/sys/unix"

	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/inspect"
	"github.com/podflame/podflame/sidecar/internal/jfr"
	"github.com/podflame/podflame/sidecar/internal/supervise"
)

// version is set by the build.
var version = "dev"

type cli struct {
	Run     RunCmd           `cmd:"" help:"Profile JVMs and send the windows to the backend."`
	Targets TargetsCmd       `cmd:"" help:"List the JVMs that can be seen, and why they are or are not profiled."`
	Inspect InspectCmd       `cmd:"" help:"Print what a recording holds."`
	Metrics MetricsCmd       `cmd:"" help:"Print the metrics of the sidecar that runs in this container."`
	Version kong.VersionFlag `help:"Print the version."`
}

func main() {
	// Nobody of the same user may trace this process, or read its memory and its
	// files: it holds a token and loads code into JVMs.
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	switch {
	case len(os.Args) == 1:
		os.Exit(keepAtWork())
	case len(os.Args) == 2 && os.Args[1] == decodeCommand:
		os.Exit(decode())
	}
	os.Exit(run())
}

// decodeCommand is for the sidecar's own use: one starts for each window, so that it
// is not among those whose flags are parsed.
const decodeCommand = "decode"

// decode reads chunks for a parent process, which alone ends it: what is typed at a
// terminal goes to both.
func decode() int {
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	if err := jfr.RunChild(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "sidecar: error:", err)
		return 1
	}
	return 0
}

// keepAtWork is what a container runs. Nothing of the command line is read: the
// settings come from the environment.
func keepAtWork() int {
	o := supervise.Defaults()
	o.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	program, err := os.Executable()
	if err != nil {
		o.Log.Error("the program cannot find itself", "error", err)
		return 1
	}
	o.Program, o.Args = program, []string{"run"}
	if text := os.Getenv(envRestartWait); text != "" {
		if wait, err := time.ParseDuration(text); err != nil || wait < o.MinWait {
			o.Log.Warn("the longest wait until a restart is not used", "variable", envRestartWait, "value", text, "least", o.MinWait, "used", o.MaxWait)
		} else {
			o.MaxWait = wait
		}
	}
	return supervise.Run(o)
}

// envRestartWait is the longest time until a sidecar that has died again and
// again is started again.
const envRestartWait = "PODFLAME_RESTART_WAIT"

// exit ends the program after --help or --version, or with status 2 when the
// arguments are wrong.
func exit(code int) {
	if code != 0 {
		code = 2
	}
	os.Exit(code)
}

func run() int {
	if os.Args[1] == "run" && os.Getenv("GOGC") == "" {
		debug.SetGCPercent(jfr.HeapGrowth)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	command := kong.Parse(&cli{},
		kong.Name("sidecar"), kong.Description("Continuous profiling of JVMs: the part that runs beside them."),
		kong.UsageOnError(), kong.Exit(exit), kong.Vars{
			"version": version, "recordings": contract.RecordingsPath, "library": contract.LibraryPath, "state": contract.StatePath,
			"socket": contract.MetricsSocket,
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
