package target

import (
	"path/filepath"
	"strings"
)

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
