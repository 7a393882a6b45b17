// Command podflame answers at a terminal, for a script or for an assistant what
// the pages of Podflame show: services, call trees, comparisons, targets. It is
// also a plugin: called kubectl-podflame it runs as "kubectl podflame".
//
// It only reads, but for capture. Without --server it reaches the backend of the current kubectl
// context by a port that kubectl forwards as long as the command runs.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

// version is set by the build.
var version = "dev"

type commandLine struct {
	Reach reach `embed:"" group:"Where the backend is"`
	Look  look  `embed:"" group:"How answers look"`

	Services    servicesCmd    `cmd:"" help:"List services, what each takes of all, and what it costs."`
	Top         topCmd         `cmd:"" help:"Print the functions that take most: of a service, or of all."`
	Flame       flameCmd       `cmd:"" help:"Print a call tree, or write it as collapsed, pprof, speedscope, SVG or JSON."`
	Diff        diffCmd        `cmd:"" help:"Compare two times, versions, pods or services, function by function."`
	Changes     changesCmd     `cmd:"" help:"Say which functions changed between versions, told from chance."`
	Regressions regressionsCmd `cmd:"" help:"List the verdicts on new versions: worse, better, same, or not enough data."`
	Threads     threadsCmd     `cmd:"" help:"List the groups of threads of a service and what each takes."`
	Targets     targetsCmd     `cmd:"" help:"List JVMs: which are profiled, and why others are not."`
	Health      healthCmd      `cmd:"" help:"Say how the backend and its store are."`
	Capture     captureCmd     `cmd:"" help:"Record other events in running pods for a while."`
	Open        openCmd        `cmd:"" help:"Print the link under which a browser shows a service."`
	MCP         mcpCmd         `cmd:"" name:"mcp" help:"Serve an assistant on standard input and output, by the Model Context Protocol."`

	Completion completionCmd `cmd:"" help:"Print what turns on completion in a shell: bash, zsh or fish."`
	Version    versionCmd    `cmd:"" help:"Print the version."`
}

const description = `Continuous profiles of Java services, at a terminal.

A SERVICE is the name of a service, namespace/name, the name of a pod, pod/NAME, or a workload of the current kubectl context: deploy/NAME, sts/NAME, ds/NAME, rs/NAME or job/NAME.

Every answer names its coverage: what was recorded, what was lost and why.

Exit codes: 0 done; 1 failed; 2 the command line is wrong; 3 nothing has that name; 4 not let in; 5 the backend was not reached or cannot answer now; and of "changes --check" and "regressions --check": 6 something changed, or is worse; 7 there is not enough data to tell.`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := run(ctx, os.Args)
	stop()
	os.Exit(code)
}

// run parses arguments, of which the first is the name of the program, runs the
// command that they name, and returns the exit code.
func run(ctx context.Context, arguments []string) int {
	var line commandLine
	a := &app{stdout: os.Stdout, stderr: os.Stderr, now: time.Now}
	parser, err := kong.New(&line,
		kong.Name(programName(arguments[0])), kong.Description(description), kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(a))
	if err != nil {
		return a.end(fmt.Errorf("build command line: %w", err))
	}
	if words, ok := asked(os.Getenv); ok {
		return a.end(complete(ctx, a, parser, words))
	}
	parsed, err := parser.Parse(arguments[1:])
	if err != nil {
		return a.end(usageError{fmt.Errorf("%w (see %s --help)", err, parser.Model.Name)})
	}
	a.reach, a.look = line.Reach, line.Look
	return a.end(parsed.Run())
}

// programName is how the program is to be called.
func programName(argument string) string {
	if strings.HasPrefix(filepath.Base(argument), "kubectl-") {
		return "kubectl podflame"
	}
	return "podflame"
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(a *app) error { return a.print("podflame " + version + "\n") }
