package acceptance

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// previous is the version that one upgrades from: its manifests, with its images
// under a tag of their own.
type previous struct {
	commit    string
	manifests string // folder
}

const previousTag = "previous"

// previousCommit is the one that ACCEPTANCE_PREVIOUS names, else the newest
// release, else the last one before the wire or the tables changed.
func (l *lab) previousCommit(s *step) string {
	s.Helper()
	for _, arguments := range [][]string{
		{"rev-parse", "--verify", "--quiet", os.Getenv("ACCEPTANCE_PREVIOUS") + "^{commit}"},
		{"describe", "--tags", "--abbrev=0"},
		{"log", "-1", "--format=%H~1", "--", "backend/profile/window.proto", "backend/internal/store/migrations"},
	} {
		output, err := exec.CommandContext(s.ctx, "git", append([]string{"-C", l.root}, arguments...)...).Output()
		if name := strings.TrimSpace(string(output)); err == nil && name != "" {
			commit, err := exec.CommandContext(s.ctx, "git", "-C", l.root, "rev-parse", "--short", name).Output()
			s.must(err)
			return strings.TrimSpace(string(commit))
		}
	}
	s.Fatalf("there is no commit to upgrade from; name one by ACCEPTANCE_PREVIOUS")
	return ""
}

// buildPrevious builds that version from its sources and imports its images; the
// programs are kept in the cache, as they never change.
func (l *lab) buildPrevious(s *step) previous {
	s.Helper()
	p := previous{commit: l.previousCommit(s)}
	sources := filepath.Join(l.workshop.Folder, "previous")
	s.must(os.MkdirAll(sources, 0o700))
	run := func(directory, line string) {
		s.Helper()
		command := exec.CommandContext(s.ctx, "bash", "-euo", "pipefail", "-c", line)
		command.Dir, command.Env = directory, append(os.Environ(), "CGO_ENABLED=0")
		if output, err := command.CombinedOutput(); err != nil {
			s.Fatalf("%s: %v: %s", line, err, output)
		}
	}
	run(l.root, fmt.Sprintf("git archive %s | tar -x -C %s", p.commit, sources))
	programs := filepath.Join(l.workshop.Cache, "previous-"+p.commit)
	if _, err := os.Stat(filepath.Join(programs, "complete")); err != nil {
		// Its screens are not looked at: one file stands for them.
		run(sources, "mkdir -p backend/internal/web/dist && touch backend/internal/web/dist/index.html")
		run(sources, fmt.Sprintf("go build -buildvcs=false -ldflags '-s -w -X main.version=%s' -o %s/ ./webhook ./sidecar ./backend && touch %s/complete", p.commit, programs, programs))
	}
	archive := filepath.Join(l.workshop.Folder, "previous.tar")
	run(l.root, fmt.Sprintf(". tests/setup/pins.sh; go run ./manifests/images --programs %s --notices build/sbom --tag %s --output %s --asprof $ASPROF_VERSION --clickhouse $CHDB_VERSION",
		programs, previousTag, archive))
	s.must(l.node.Import(s.ctx, archive))
	s.must(os.Remove(archive))
	p.manifests = filepath.Join(sources, "manifests")
	s.must(retag(p.manifests))
	return p
}

var ourImage = regexp.MustCompile(`(ghcr\.io/podflame/[a-z]+):[\w.]+`)

// retag makes manifests name the images of the previous version.
func retag(folder string) error {
	files, err := filepath.Glob(filepath.Join(folder, "base", "*", "*.yaml"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("find the manifests in %s: %w", folder, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read a manifest: %w", err)
		}
		changed := ourImage.ReplaceAll(content, []byte("${1}:"+previousTag))
		if err := os.WriteFile(file, changed, 0o600); err != nil {
			return fmt.Errorf("write a manifest: %w", err)
		}
	}
	return nil
}
