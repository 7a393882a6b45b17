package main

import (
	"context"
	"errors"
	"io"

	"github.com/podflame/podflame/sidecar/internal/target"
)

// checkChosen makes sure that the user has said which JVMs of this host to
// profile. Where nobody has, it writes the list of them to out.
func (c *RunCmd) checkChosen(ctx context.Context, procs *target.Finder, out io.Writer) error {
	switch chosen := len(c.PIDs) > 0; {
	case c.All && !c.Local:
		return errors.New("--all is for --local; in a pod every JVM of the containers is profiled")
	case c.All && chosen:
		return errors.New("--all and --pid contradict each other; leave one out")
	case !c.Local || c.All || chosen:
		return nil
	}
	found, err := procs.Find(ctx)
	if err != nil {
		return err
	}
	if err := printSeen(out, lookAll(ctx, procs, found, c.VolumeFlags, c.SignalLaunchers)); err != nil {
		return err
	}
	return errors.New("which of these JVMs is not said; name them with --pid PID (repeatable), or take every one with --all")
}
