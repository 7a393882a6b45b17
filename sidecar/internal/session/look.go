package session

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/podflame/podflame/sidecar/internal/asprof"
	"github.com/podflame/podflame/sidecar/internal/target"
)

// Profiler runs commands in a JVM; asprof.Client is one.
type Profiler interface {
	Run(ctx context.Context, p target.Process, library string, cmd asprof.Command) (asprof.Result, error)
}

// Known is what this sidecar knows of its session before it looks.
type Known struct {
	Session string // that this sidecar records with; empty if none
	FD      int    // of its recording in the JVM
}

// View is what one look at a JVM shows.
type View struct {
	Evidence
	Session string           // of ours, whose recording is open
	Open    target.Recording // that recording
	Library string           // of ours that is loaded, empty if none
	Detail  string           // who else is there, in words
	// Sidecar is the library of another sidecar of Podflame, which has other
	// directories than ours; empty if none is loaded.
	Sidecar string
	// Incomplete means that the JVM has more open files than were looked at, and
	// that no recording of ours was among these.
	Incomplete bool
}

// Looker gathers evidence.
type Looker struct {
	Procs      *target.Finder
	Profiler   Profiler
	LibraryDir string // where our libraries are installed
}

// Look gathers the evidence of one JVM. A profiler that leaves no other trace is
// asked for its status, but only if ask is set: that is an attach.
func (l *Looker) Look(ctx context.Context, p target.Process, dir Dir, known Known, ask bool) (View, error) {
	found, err := l.Procs.Profilers(p, target.Recording{FD: known.FD, Path: dir.Recording(known.Session)})
	if err != nil {
		return View{}, fmt.Errorf("look for profilers: %w", err)
	}
	var v View
	files := ""
	for _, r := range found.Recordings {
		if id, ok := dir.SessionOf(r.Path); ok {
			v.Recording, v.Session, v.Open = true, id, r
			v.Begun = id == known.Session
			continue
		}
		files = describe(files, r.Path+" is open")
	}
	v.Incomplete = found.Incomplete && !v.Recording
	for _, library := range found.Libraries {
		if asprof.IsOurs(library.Path, l.LibraryDir) {
			v.Library = library.Path
			if ask && !v.Recording {
				v.OwnLibrary = worse(v.OwnLibrary, l.ask(ctx, p, library.Path, dir.Log()))
			}
			continue
		}
		v.Foreign++
		if asprof.OfAnySidecar(library.Path) {
			v.Sidecar = library.Path
			v.Detail = describe(v.Detail, "another sidecar of Podflame has loaded "+library.Path)
			continue
		}
		v.Detail = describe(v.Detail, library.Path+" is loaded")
	}
	if v.Foreign > 0 && files != "" {
		v.Detail = describe(v.Detail, files)
	}
	v.ForeignThreads = found.Threads
	if v.Recording && v.Library != "" {
		v.ForeignThreads = max(0, found.Threads-1)
	}
	if v.Library == "" { // anybody can open a file of that name
		v.Recording, v.Begun, v.Session = false, false, ""
	}
	if ask && v.Foreign > 0 && !v.foreignActive() {
		v.ForeignAnswer = l.askForeign(ctx, p, found.Libraries, dir)
	}
	return v, nil
}

// askForeign asks only what is async-profiler by name. Its descendants may
// understand something else by the same words.
func (l *Looker) askForeign(ctx context.Context, p target.Process, libraries []target.Library, dir Dir) Answer {
	answer := Idle
	for _, library := range libraries {
		if asprof.IsOurs(library.Path, l.LibraryDir) {
			continue
		}
		if !strings.HasPrefix(filepath.Base(library.Path), "libasyncProfiler") {
			answer = worse(answer, Unclear)
			continue
		}
		answer = worse(answer, l.ask(ctx, p, library.Path, dir.ForeignLog()))
	}
	return answer
}

func (l *Looker) ask(ctx context.Context, p target.Process, library, log string) Answer {
	result, err := l.Profiler.Run(ctx, p, library, asprof.Status(log))
	if err != nil {
		return Unclear
	}
	running, ok := asprof.Running(result.Log)
	switch {
	case !ok:
		return Unclear
	case running:
		return Busy
	}
	return Idle
}

// worse orders answers: Busy forbids more than Unclear, and that more than
// Idle.
func worse(a, b Answer) Answer {
	for _, answer := range []Answer{Busy, Unclear, Idle} {
		if a == answer || b == answer {
			return answer
		}
	}
	return Unasked
}

const maxDetail = 400

// describe appends to a list in words, as far as there is room.
func describe(list, next string) string {
	if list == "" {
		list = next
	} else {
		list += "; " + next
	}
	return strings.ToValidUTF8(list[:min(len(list), maxDetail)], "")
}
