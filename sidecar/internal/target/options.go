package target

import (
	"path/filepath"
	"strings"
)

// looksLikeJava is a guess for processes that we may not look into: the command
// line is all that anybody may read.
func looksLikeJava(args []string) bool {
	return len(args) > 0 && filepath.Base(args[0]) == "java"
}

// optionsWithValue are the launcher options whose value is the next argument.
var optionsWithValue = map[string]bool{
	"-cp": true, "-classpath": true, "--class-path": true, "-p": true, "--module-path": true,
	"--upgrade-module-path": true, "--add-modules": true, "--add-exports": true, "--add-opens": true,
	"--add-reads": true, "--patch-module": true, "--limit-modules": true, "--enable-native-access": true,
	"-d": true, "--describe-module": true, "--source": true,
}

// mainClass returns what a java command line runs: a class, a module or the
// name of a jar; empty if it cannot be told.
func mainClass(args []string) string {
	for i := 1; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "-jar" || arg == "-m" || arg == "--module":
			if i+1 < len(args) {
				return filepath.Base(args[i+1])
			}
			return ""
		case optionsWithValue[arg]:
			i++
		case strings.HasPrefix(arg, "--module="):
			return filepath.Base(strings.TrimPrefix(arg, "--module="))
		case strings.HasPrefix(arg, "-") || strings.HasPrefix(arg, "@"):
		default:
			return arg
		}
	}
	return ""
}

// attachOptions looks for the options that forbid to attach, in the order in
// which HotSpot reads them; the last one wins.
func attachOptions(args, environ []string) (reducedSignals, attachDisabled bool) {
	all := strings.Fields(lookup(environ, "JAVA_TOOL_OPTIONS"))
	all = append(all, strings.Fields(lookup(environ, "JDK_JAVA_OPTIONS"))...)
	all = append(all, launcherOptions(args)...)
	all = append(all, strings.Fields(lookup(environ, "_JAVA_OPTIONS"))...)
	for _, option := range all {
		switch option {
		case "-Xrs", "-XX:+ReduceSignalUsage":
			reducedSignals = true
		case "-XX:-ReduceSignalUsage":
			reducedSignals = false
		case "-XX:+DisableAttachMechanism":
			attachDisabled = true
		case "-XX:-DisableAttachMechanism":
			attachDisabled = false
		}
	}
	return reducedSignals, attachDisabled
}

// launcherOptions are the arguments before the main class: what comes after it
// belongs to the application.
func launcherOptions(args []string) []string {
	for i := 1; i < len(args); i++ {
		switch {
		case args[i] == "-jar" || args[i] == "-m" || args[i] == "--module":
			return args[1:i]
		case optionsWithValue[args[i]]:
			i++
		case !strings.HasPrefix(args[i], "-") && !strings.HasPrefix(args[i], "@"):
			return args[1:i]
		}
	}
	return args[min(1, len(args)):]
}
