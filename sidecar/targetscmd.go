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
	"github.com/podflame/podflame/sidecar/internal/asprof"
	"github.com/podflame/podflame/sidecar/internal/session"
	"github.com/podflame/podflame/sidecar/internal/target"
)

// TargetsCmd lists JVMs. It only looks: nothing is attached to, and nothing is
// changed.
type TargetsCmd struct {
	JSON bool `name:"json" help:"Print JSON."`
	VolumeFlags
	SignalLaunchers bool   `env:"PODFLAME_SIGNAL_LAUNCHERS" help:"As for run."`
	ProcFS          string `name:"procfs" default:"/proc" type:"path" help:"Where the process file system is mounted."`
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

	sidecar string // library of another sidecar of Podflame
}

// Run prints the list.
func (c *TargetsCmd) Run(ctx context.Context) error {
	_, err := os.Stat(contract.MountPath)
	if err := c.resolve(err != nil); err != nil {
		return err
	}
	procs, err := target.NewFinder(c.ProcFS)
	if err != nil {
		return err
	}
	found, err := procs.Find(ctx)
	if err != nil {
		return err
	}
	list := lookAll(ctx, procs, found, c.VolumeFlags, c.SignalLaunchers)
	if c.JSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(list)
	}
	return printSeen(os.Stdout, list)
}

func lookAll(ctx context.Context, procs *target.Finder, found []target.Process, v VolumeFlags, launchers bool) []seen {
	looker := &session.Looker{Procs: procs, LibraryDir: filepath.Join(v.LibraryDir, contract.LibraryDirectory)}
	list := make([]seen, 0, len(found))
	for _, p := range found {
		list = append(list, look(ctx, looker, v.volumes, p, launchers))
	}
	return list
}

func look(ctx context.Context, l *session.Looker, volumes session.Volumes, p target.Process, launchers bool) seen {
	s := seen{
		PID: p.PID, User: p.Identity.String(), Kind: p.Kind, Container: p.Container, JVMVersion: p.Version,
		MainClass: p.MainClass, Start: p.Start, Reason: p.Reason, Detail: p.Detail,
	}
	if s.Reason == "" {
		lookInside(ctx, l, volumes, p, launchers, &s)
	}
	if s.Reason != "" {
		text := profile.Explain(s.Reason)
		s.Text, s.Remedy = text.Text, text.Remedy
	}
	if s.Reason == profile.Conflict && s.sidecar != "" {
		s.Text = "Profiled by another sidecar of Podflame"
		s.Remedy = "Its session is shown with --shared-dir " + filepath.Dir(filepath.Dir(s.sidecar))
	}
	return s
}

// lookInside says what the agent would do with a HotSpot JVM.
func lookInside(ctx context.Context, l *session.Looker, volumes session.Volumes, p target.Process, launchers bool, s *seen) {
	volume := volumes.Of(p.Container, l.Procs.Path(p.PID, "root"))
	view, err := l.Look(ctx, p, session.NewDir(volume, p.Key()), session.Known{}, false)
	if err != nil {
		s.Reason, s.Detail = profile.AccessDenied, err.Error()
		return
	}
	s.State, s.Session, s.Detail, s.sidecar = session.Classify(view.Evidence), view.Session, view.Detail, view.Sidecar
	switch {
	case s.Session != "":
		s.State, s.Text = session.Owned, "Profiled, session "+s.Session
	case s.State == session.Conflict:
		s.Reason = profile.Conflict
	case s.State == session.Unknown:
		s.Text = "Another profiler is loaded; whether it is active is asked before profiling"
	default:
		s.Text = "Can be profiled"
		s.Reason, s.Detail = refused(l.Procs, p, launchers)
	}
}

// refused says why a JVM that does not listen could not be made to.
func refused(procs *target.Finder, p target.Process, launchers bool) (profile.Reason, string) {
	signs, err := procs.Signs(p)
	switch {
	case err != nil:
		return profile.AccessDenied, err.Error()
	case signs.Threads.Listener && !signs.Stopped:
		return "", ""
	}
	return asprof.RefuseSignal(p, signs, launchers)
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
