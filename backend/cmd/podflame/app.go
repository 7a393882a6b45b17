package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/client"
	"github.com/podflame/podflame/backend/internal/report"
	"github.com/podflame/podflame/backend/profile"
)

// app is what all commands share.
type app struct {
	reach          reach
	look           look
	stdout, stderr io.Writer
	now            func() time.Time
}

// look is how answers look.
type look struct {
	Color string `enum:"auto,always,never" default:"auto" help:"Colour answers: always, never, or auto, on a terminal without NO_COLOR."`
}

// style is that of standard output.
func (a *app) style() report.Style {
	file, ok := a.stdout.(*os.File)
	terminal := ok && term.IsTerminal(int(file.Fd()))
	s := report.Style{Colour: a.look.Color == "always" || a.look.Color == "auto" && terminal && os.Getenv("NO_COLOR") == ""}
	if terminal {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil {
			s.Width = width
		}
	}
	return s
}

func (a *app) print(text string) error { return a.write([]byte(text)) }

func (a *app) write(answer []byte) error {
	if _, err := a.stdout.Write(answer); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	return nil
}

// note tells a person what a script need not read.
func (a *app) note(format string, args ...any) {
	fmt.Fprintf(a.stderr, "podflame: "+format+"\n", args...)
}

// Exit codes, as the help says them.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitRefused     = 4
	exitUnreachable = 5
	exitChanged     = 6
	exitTooLittle   = 7
)

// usageError is a command line that is wrong.
type usageError struct{ error }

// Unwrap returns the cause.
func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// verdict is the exit code of an answer that was given.
type verdict int

// Error implements error.
func (v verdict) Error() string { return fmt.Sprintf("exit code %d", int(v)) }

// hinted is an error with what to do about it.
type hinted struct {
	error
	hint string
}

// Unwrap returns the cause.
func (h hinted) Unwrap() error { return h.error }

// end tells an error with its remedy, and returns the exit code.
func (a *app) end(err error) int {
	if err == nil {
		return 0
	}
	if v, ok := errors.AsType[verdict](err); ok {
		return int(v)
	}
	code, hint := classify(err)
	fmt.Fprintf(a.stderr, "podflame: %s\n", report.Clean(err.Error()))
	if hint != "" {
		fmt.Fprintf(a.stderr, "  %s\n", report.Clean(hint))
	}
	return code
}

func classify(err error) (code int, hint string) {
	code = exitFailed
	if h, ok := errors.AsType[hinted](err); ok {
		hint = h.hint
	}
	if e, ok := errors.AsType[*api.Error](err); ok {
		return codeOf(e), e.Hint
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage, hint
	}
	if _, ok := errors.AsType[*client.Unreachable](err); ok {
		if hint == "" {
			hint = "Check --server, or leave it out to reach the backend of the current kubectl context"
		}
		return exitUnreachable, hint
	}
	if errors.Is(err, context.Canceled) {
		hint = ""
	}
	return code, hint
}

func codeOf(e *api.Error) int {
	if e.Code == profile.BadParameter {
		return exitUsage
	}
	switch e.Status() {
	case http.StatusNotFound:
		return exitNotFound
	case http.StatusUnauthorized, http.StatusForbidden:
		return exitRefused
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return exitUnreachable
	}
	return exitFailed
}
