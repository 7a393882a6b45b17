package embedded

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"

	"github.com/ebitengine/purego"
)

// childEnv carries a childSpec to the re-executed binary and marks it as the
// child.
const childEnv = "PODFLAME_CLICKHOUSE_CHILD"

// Exit codes of the child. The server's own failures end in 1.
const (
	exitBadSpec    = 90
	exitBadLibrary = 91
	exitNoQuery    = 92
)

// childSpec is what the child needs: no secrets, for the environment of a
// process can be read by its user.
type childSpec struct {
	Library string
	Args    []string
}

// RunChild runs the server and returns true with its exit code if this process
// was started as the child; call it first thing in main.
func RunChild() (exitCode int, isChild bool) {
	text, isChild := os.LookupEnv(childEnv)
	if !isChild {
		return 0, false
	}
	var spec childSpec
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		fmt.Fprintf(os.Stderr, "read %s: %v\n", childEnv, err)
		return exitBadSpec, true
	}
	parent, err := giveTerminal()
	if err != nil {
		fmt.Fprintf(os.Stderr, "no pseudo-terminal, ClickHouse ends at failures of connections: %v\n", err)
	}
	go exitWithParent(parent)
	if err := serve(spec); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitBadLibrary, true
	}
	return 0, true
}

// exitWithParent ends the process when the parent closes its end of the pipe.
// What ClickHouse has acknowledged is on disk at any time; a part that was being
// written is cleaned up at the next start.
func exitWithParent(parent *os.File) {
	_, _ = io.Copy(io.Discard, parent)
	os.Exit(0)
}

// serve returns when the last query of the arguments ends, which it does only
// after an error.
func serve(spec childSpec) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	library, err := purego.Dlopen(spec.Library, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return fmt.Errorf("load %s: %w", spec.Library, err)
	}
	entry, err := purego.Dlsym(library, "chdb_query_cmdline")
	if err != nil {
		return fmt.Errorf("find chdb_query_cmdline in %s: %w", spec.Library, err)
	}
	resultError, err := purego.Dlsym(library, "chdb_result_error")
	if err != nil {
		return fmt.Errorf("find chdb_result_error in %s: %w", spec.Library, err)
	}
	var query func(argc int32, argv **byte) uintptr
	var errorOf func(result uintptr) string
	purego.RegisterFunc(&query, entry)
	purego.RegisterFunc(&errorOf, resultError)

	argv := make([]*byte, len(spec.Args)+1)
	for i, arg := range spec.Args {
		if argv[i], err = syscall.BytePtrFromString(arg); err != nil {
			return fmt.Errorf("argument %q: %w", arg, err)
		}
	}
	result := query(int32(len(spec.Args)), &argv[0])
	runtime.KeepAlive(argv)
	if result == 0 {
		return nil
	}
	if text := errorOf(result); text != "" {
		return fmt.Errorf("run the server: %s", text)
	}
	return nil
}
