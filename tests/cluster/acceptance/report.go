// Package acceptance shows Podflame at work on a real cluster: it installs by
// the README's commands, runs the workloads that people have, injures what may
// break, and writes what it saw as a report for people and as JSON. `make
// acceptance` runs it.
package acceptance

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Report is what one run saw.
type Report struct {
	mu sync.Mutex

	Started    time.Time `json:"started"`
	Version    string    `json:"version"` // of Podflame, as git describes it
	Kubernetes string    `json:"kubernetes"`
	Machine    string    `json:"machine"`
	Seconds    float64   `json:"seconds"`
	Unfinished bool      `json:"unfinished,omitempty"` // the run went on, or was broken off
	LeftOut    []LeftOut `json:"leftOut,omitempty"`    // parts that were asked for and cannot run here
	Results    []*Result `json:"results"`
}

// LeftOut is a part that did not run, and why.
type LeftOut struct {
	Group  string `json:"group"`
	Reason string `json:"reason"`
}

// Result is one claim and whether it held.
type Result struct {
	Group    string   `json:"group"`
	Claim    string   `json:"claim"`
	Passed   bool     `json:"passed"`
	Seconds  float64  `json:"seconds"`
	Measured []string `json:"measured,omitempty"`
	Failures []string `json:"failures,omitempty"`

	mu sync.Mutex
}

func (r *Report) add(result *Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Results = append(r.Results, result)
}

func (r *Report) leaveOut(group, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.LeftOut = append(r.LeftOut, LeftOut{group, reason})
}

func (r *Result) measure(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Measured = append(r.Measured, text)
}

func (r *Result) fail(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Failures = append(r.Failures, text)
}

// Write stores the report as report.json and README.md in a folder.
func (r *Report) Write(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // part of the repository
		return fmt.Errorf("make the folder of the report: %w", err)
	}
	content, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the report: %w", err)
	}
	for name, content := range map[string]string{"report.json": string(content) + "\n", "README.md": r.text()} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil { //nolint:gosec // part of the repository
			return fmt.Errorf("write the report: %w", err)
		}
	}
	return nil
}

// text is the report for people.
func (r *Report) text() string {
	var out strings.Builder
	passed := 0
	for _, result := range r.Results {
		if result.Passed {
			passed++
		}
	}
	fmt.Fprintf(&out, "# Acceptance on a real cluster\n\nWritten by `make acceptance`; do not edit.\n\n")
	fmt.Fprintf(&out, "%d of %d claims hold. %s, %.0f s.\n\n", passed, len(r.Results), r.Started.UTC().Format("2006-01-02 15:04 UTC"), r.Seconds)
	if r.Unfinished {
		fmt.Fprintf(&out, "**The run was broken off after these claims.**\n\n")
	}
	fmt.Fprintf(&out, "- Podflame %s\n- Kubernetes %s\n- %s\n", r.Version, r.Kubernetes, r.Machine)
	for _, part := range r.LeftOut {
		fmt.Fprintf(&out, "- Not run: %s: %s\n", part.Group, part.Reason)
	}
	group := ""
	for _, result := range r.Results {
		if result.Group != group {
			group = result.Group
			fmt.Fprintf(&out, "\n## %s\n\n| | claim | measured | s |\n|---|---|---|---|\n", group)
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %.0f |\n", mark(result.Passed), cell(result.Claim), cell(strings.Join(append(result.Measured, result.Failures...), "; ")), result.Seconds)
	}
	return out.String()
}

func mark(passed bool) string {
	if passed {
		return "holds"
	}
	return "**fails**"
}

// cellLimit keeps a row of the table readable; the JSON has all of it.
const cellLimit = 300

func cell(text string) string {
	text = strings.NewReplacer("|", "\\|", "\n", " ").Replace(text)
	if len(text) > cellLimit {
		return strings.ToValidUTF8(text[:cellLimit], "") + " …"
	}
	return text
}
