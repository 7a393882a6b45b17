package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestVulnerabilitiesAreToldFromNoAnswer runs the script of `make lint` with
// tools that answer as govulncheck and npm do: a finding fails, a database that
// cannot be reached is said aloud and fails only where it must not.
func TestVulnerabilitiesAreToldFromNoAnswer(t *testing.T) {
	const clean, away = `echo '{"auditReportVersion": 2, "vulnerabilities": {}}'`, `echo '{"message": "no such host"}'; exit 1`
	for name, c := range map[string]struct {
		govulncheck, npm string
		strict           string
		fails            bool
		says             string
	}{
		"nothing known":    {"exit 0", clean, "1", false, "none known in Go code"},
		"vulnerable Go":    {"echo GO-2026-1; exit 3", clean, "", true, "GO-2026-1"},
		"vulnerable npm":   {"exit 0", `echo '{"auditReportVersion": 2}'; exit 1`, "", true, "front-end packages are known to be vulnerable"},
		"no Go database":   {"echo no such host >&2; exit 1", clean, "", false, "NOT CHECKED: Go code: no such host"},
		"no npm registry":  {"exit 0", away, "", false, "NOT CHECKED: front-end packages: no such host"},
		"strict, Go away":  {"exit 1", clean, "1", true, "NOT CHECKED: Go code"},
		"strict, npm away": {"exit 0", away, "1", true, "NOT CHECKED: front-end packages"},
	} {
		t.Run(name, func(t *testing.T) {
			cache, path := t.TempDir(), t.TempDir()
			pins, err := os.ReadFile("setup/pins.sh")
			if err != nil {
				t.Fatal(err)
			}
			_, version, _ := strings.Cut(string(pins), "GOVULNCHECK_VERSION=")
			version, _, _ = strings.Cut(version, "\n")
			script(t, filepath.Join(cache, "bin", "govulncheck"), c.govulncheck)
			script(t, filepath.Join(cache, "bin", "govulncheck-"+version), "")
			script(t, filepath.Join(path, "npm"), c.npm)
			command := exec.CommandContext(t.Context(), "setup/vulnerabilities.sh")
			command.Env = append(os.Environ(), "PODFLAME_CACHE="+cache, "STRICT="+c.strict, "PATH="+path+":"+os.Getenv("PATH"))
			output, err := command.CombinedOutput()
			if (err != nil) != c.fails || !strings.Contains(string(output), c.says) {
				t.Errorf("ends with %v:\n%s", err, output)
			}
		})
	}
}

func script(t *testing.T, path, body string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}
