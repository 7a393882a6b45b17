package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/session"
	"github.com/podflame/podflame/sidecar/internal/target"
)

// TargetsCmd lists JVMs. It only looks: nothing is attached to, and nothing is
// changed.
type TargetsCmd struct {
	JSON      bool   `name:"json" help:"Print JSON."`
	SharedDir string `env:"PODFLAME_SHARED_DIR" type:"path" help:"Directory shared with the JVMs. Default: as for run."`
	ProcFS    string `name:"procfs" default:"/proc" type:"path" help:"Where the process file system is mounted."`
}

// seen is one line of the list.
type seen struct {
	PID        int            `json:"pid"`
	User       string         `json:"user"` // uid:gid
	Kind       target.Kind    `json:"kind"`
	Container  string         `json:"container,omitempty"`
	JVMVersion string         `json:"jvmVersion,omitempty"`
	MainClass  string         `json:"mainClass,omitempty"`
	Start      time.Time      `json:"start"`
	State      session.State  `json:"state,omitempty"`
	Session    string         `json:"session,omitempty"` // ours, that is active
	Reason     profile.Reason `json:"reason,omitempty"`  // why it is not, or would not be, profiled
	Text       string         `json:"text"`
	Remedy     string         `json:"remedy,omitempty"`
	Detail     string         `json:"detail,omitempty"`
}

// Run prints the list.
func (c *TargetsCmd) Run(ctx context.Context) error {
	if c.SharedDir == "" {
		c.SharedDir = contract.SharedPath
		if _, err := os.Stat(c.SharedDir); err != nil {
			c.SharedDir = filepath.Join(os.TempDir(), "podflame")
		}
	}
	procs, err := target.NewFinder(c.ProcFS)
	if err != nil {
		return err
	}
	found, err := procs.Find(ctx)
	if err != nil {
		return err
	}
	looker := &session.Looker{Procs: procs, LibraryDir: filepath.Join(c.SharedDir, contract.LibraryDirectory)}
	list := make([]seen, 0, len(found))
	for _, p := range found {
		list = append(list, look(ctx, looker, c.SharedDir, p))
	}
	if c.JSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(list)
	}
	return printSeen(os.Stdout, list)
}

func look(ctx context.Context, l *session.Looker, shared string, p target.Process) seen {
	s := seen{
		PID: p.PID, User: p.Identity.String(), Kind: p.Kind, Container: p.Container, JVMVersion: p.Version,
		MainClass: p.MainClass, Start: p.Start, Reason: p.Reason, Detail: p.Detail,
	}
	if s.Reason == "" {
		lookInside(ctx, l, shared, p, &s)
	}
	if s.Reason != "" {
		text := profile.Explain(s.Reason)
		s.Text, s.Remedy = text.Text, text.Remedy
	}
	return s
}

// lookInside says what the agent would do with a HotSpot JVM.
func lookInside(ctx context.Context, l *session.Looker, shared string, p target.Process, s *seen) {
	view, err := l.Look(ctx, p, session.NewDir(shared, p.Key()), "", false)
	if err != nil {
		s.Reason, s.Detail = profile.AccessDenied, err.Error()
		return
	}
	s.State, s.Session, s.Detail = session.Classify(view.Evidence), view.Session, view.Detail
	switch {
	case s.Session != "":
		s.State, s.Text = session.Owned, "Profiled, session "+s.Session
	case s.State == session.Conflict:
		s.Reason = profile.Conflict
	case s.State == session.Unknown:
		s.Text = "Another profiler is loaded; whether it is active is asked before profiling"
	default:
		s.Reason, s.Text = signalReason(l.Procs, p), "Can be profiled"
	}
}

func signalReason(procs *target.Finder, p target.Process) profile.Reason {
	signals, err := procs.Signals(p.PID)
	switch {
	case err != nil:
		return profile.JVMExited
	case p.ReducedSignals || signals.CatchesQuit:
		return "" // with -Xrs the socket exists from the start
	}
	return profile.JVMStarting
}

func printSeen(out io.Writer, list []seen) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(out, "No JVM is running that can be seen.")
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PID\tUSER\tKIND\tJVM\tCONTAINER\tMAIN\tSTATUS")
	for _, s := range list {
		status := s.Text
		if s.Detail != "" {
			status += " (" + s.Detail + ")"
		}
		if s.Remedy != "" {
			status += ". " + s.Remedy
		}
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", s.PID, s.User, s.Kind, s.JVMVersion, s.Container, s.MainClass, status)
	}
	return table.Flush()
}
