package target

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
)

// Options are what a JVM was told about signals and attaching.
type Options struct {
	ReducedSignals bool   // -Xrs: SIGQUIT would kill it
	AttachDisabled bool   // -XX:+DisableAttachMechanism: SIGQUIT would print a thread dump
	Unread         string // what may hold more options and could not be read; empty if nothing
}

// Limits of option files.
const (
	maxOptionBytes = 256 << 10
	maxOptionFiles = 16 // of one JVM
)

// optionReader reads options in the order in which HotSpot does; of options that
// contradict each other the last one wins.
type optionReader struct {
	Options
	read  func(path string) ([]byte, error)
	files int
}

// attachOptions reads the options of a process from its command line, its
// environment and the files that these name. A JVM that the java command has not
// launched gets options through JNI, which nothing shows.
func (f *Finder) attachOptions(pid int, args, environ []string, launched bool) Options {
	r := optionReader{read: func(name string) ([]byte, error) {
		if !path.IsAbs(name) {
			directory, err := os.Readlink(f.Path(pid, "cwd"))
			if err != nil {
				return nil, fmt.Errorf("read working directory of process %d: %w", pid, err)
			}
			name = path.Join(directory, name)
		}
		return f.readInRoot(pid, name, maxOptionBytes)
	}}
	if !launched {
		r.Unread = "what its launcher passes through JNI"
	}
	r.all(args, environ)
	return r.Options
}

func (r *optionReader) all(args, environ []string) {
	launcher := launcherOptions(r.expand(args))
	before := r.expand(append([]string{"java"}, splitQuoted(lookup(environ, "JDK_JAVA_OPTIONS"))...))
	all := slices.Concat(splitQuoted(lookup(environ, "JAVA_TOOL_OPTIONS")), before, launcher, splitQuoted(lookup(environ, "_JAVA_OPTIONS")))
	for _, option := range all { // files of flags come first
		if file, ok := strings.CutPrefix(option, "-XX:Flags="); ok {
			for _, flag := range splitFlags(r.file(file)) {
				r.take("-XX:" + flag)
			}
		}
	}
	for _, option := range all {
		if file, ok := strings.CutPrefix(option, "-XX:VMOptionsFile="); ok {
			for _, nested := range splitQuoted(r.file(file)) {
				r.take(nested)
			}
			continue
		}
		r.take(option)
	}
}

func (r *optionReader) take(option string) {
	switch option {
	case "-Xrs", "-XX:+ReduceSignalUsage":
		r.ReducedSignals = true
	case "-XX:-ReduceSignalUsage":
		r.ReducedSignals = false
	case "-XX:+DisableAttachMechanism":
		r.AttachDisabled = true
	case "-XX:-DisableAttachMechanism":
		r.AttachDisabled = false
	}
}

// expand replaces @FILE by the arguments in the file, up to the main class, as
// the java command does, whose name is the first argument. What is in a file is not expanded again.
func (r *optionReader) expand(args []string) []string {
	var expanded []string
	for i, arg := range args {
		name, ok := strings.CutPrefix(arg, "@")
		if !ok || arg == "@" || strings.HasPrefix(name, "@") {
			expanded = append(expanded, arg)
			continue
		}
		pastMain := len(launcherOptions(expanded)) < len(expanded)-1
		if pastMain || slices.Contains(expanded, "--disable-@files") {
			return append(expanded, args[i:]...)
		}
		expanded = append(expanded, splitArgFile(r.file(name))...)
	}
	return expanded
}

// file returns the content of an option file, empty if it cannot be read, which
// Unread then says.
func (r *optionReader) file(name string) string {
	r.files++
	if r.files > maxOptionFiles {
		r.Unread = fmt.Sprintf("more than %d option files", maxOptionFiles)
		return ""
	}
	content, err := r.read(name)
	if err != nil {
		r.Unread = Clip(err.Error())
	}
	return string(content)
}
