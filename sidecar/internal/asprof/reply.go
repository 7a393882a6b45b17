package asprof

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/podflame/podflame/backend/profile"
)

// reply is the JVM's answer to a load request.
type reply struct {
	status int    // of the request; 0 is success
	agent  int    // what the library returned; valid if hasAgent
	text   string // everything after the first line
	// hasAgent is false if the library was not loaded: from JDK 21 on a failed
	// load has status 0 and an error text in place of the library's code.
	hasAgent bool
}

// parseReply reads "STATUS\n", followed by "return code: N\n" (JDK 9 and later),
// "N\n" (JDK 8) or an error text. An answer without a status is an error, which
// ok tells.
func parseReply(b []byte) (r reply, ok bool) {
	first, rest, _ := strings.Cut(string(b), "\n")
	status, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil {
		return reply{}, false
	}
	r = reply{status: status, text: printable(rest)}
	second, _, _ := strings.Cut(rest, "\n")
	code, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(second, "return code:")))
	r.agent, r.hasAgent = code, err == nil
	return r, true
}

// failure returns why the command failed, or no reason. Where the profiler has
// given an error code, its words are in the log only.
func (r reply) failure(log string) (reason profile.Reason, detail string) {
	switch {
	case (r.status != 0 || !r.hasAgent) && missingDependency(r.text) != "":
		return profile.DependencyMissing, "it lacks " + missingDependency(r.text)
	case r.status != 0 || !r.hasAgent:
		return profile.LibraryNotLoaded, firstLines(r.text)
	case r.agent != 0 && strings.Contains(log, tooEarly):
		return profile.JVMStarting, firstLines(printable(log))
	case r.agent != 0:
		return profile.ProfilerError, strings.TrimSpace(strconv.Itoa(r.agent) + " " + firstLines(printable(log)))
	case strings.Contains(log, "[ERROR]"):
		return profile.ProfilerError, firstLines(printable(log))
	}
	return "", ""
}

// tooEarly is what async-profiler says in a JVM that listens already but has not
// come to the point where it takes agents. A later attempt succeeds.
const tooEarly = "JVM does not support Tool Interface"

// missingDependency returns the library, or the symbol of one, that the dynamic
// linker of glibc or of musl has not found; empty if it says something else:
//
//	libdl.so.2: cannot open shared object file: No such file or directory
//	/lib/libm.so.6: version `GLIBC_2.29' not found (required by …)
//	Error loading shared library libstdc++.so.6: No such file or directory (needed by …)
//	Error relocating …: __strdup: symbol not found
func missingDependency(text string) string {
	for _, pattern := range []string{
		`(?:^|\s)([^\s/:]+): cannot open shared object file: No such file`,
		"version `([^']+)' not found",
		`Error loading shared library ([^\s/:]+): No such file`,
		`Error relocating [^:]*: ([^\s:]+): symbol not found`,
	} {
		if m := regexp.MustCompile(pattern).FindStringSubmatch(text); m != nil {
			return m[1]
		}
	}
	return ""
}

const maxDetail = 400

func firstLines(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > maxDetail {
		s = strings.ToValidUTF8(s[:maxDetail], "")
	}
	return strings.ReplaceAll(s, "\n", "; ")
}

// printable drops control characters: the text comes from the application's
// process and ends up in logs and in the UI.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if (r < ' ' && r != '\n') || r == 0x7f || r == '\uFFFD' {
			return -1
		}
		return r
	}, s)
}
