package acceptance

import (
	"cmp"
	"fmt"
	"html"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// screen is a page that a person looks at, and what must be on it.
type screen struct {
	name, path string
	shows      *regexp.Regexp
}

// screens are those of what this run has profiled: of Java 17 if it was among it,
// else of the first service there is.
func screens(s *step) []screen {
	span := scopeSince("", "", "", shared.report.Started)
	span = url.Values{"from": span["from"], "to": span["to"]}
	var list struct {
		Services []struct{ Namespace, Service string }
	}
	s.must(shared.backend.get(s.ctx, "/api/v1/services", span, &list))
	if len(list.Services) == 0 {
		s.Fatalf("no service was profiled since %s", shared.report.Started)
	}
	shown := list.Services[0]
	for _, service := range list.Services {
		if service.Service == "java17" {
			shown = service
		}
	}
	profile := scopeSince(shown.Namespace, shown.Service, "cpu", shared.report.Started)
	var got top
	s.must(shared.backend.get(s.ctx, "/api/v1/top", profile, &got))
	if len(got.Functions) == 0 {
		s.Fatalf("service %s has no function", shown.Service)
	}
	return []screen{
		{"services", "/?" + span.Encode(), regexp.MustCompile(regexp.QuoteMeta(shown.Service + shown.Namespace))},
		{"profile", "/profile?" + profile.Encode(), regexp.MustCompile(regexp.QuoteMeta(got.Functions[0].Name))},
		{"targets", "/targets", regexp.MustCompile(`[1-9]\d*\W+targets`)},
	}
}

func ui(t *testing.T) {
	claimWithin(t, 6*time.Minute, "UI", "the screens show in Chromium, through kubectl port-forward", func(s *step) {
		for _, screen := range screens(s) {
			picture := filepath.Join(shared.reportFolder(), screen.name+".png")
			s.must(os.MkdirAll(filepath.Dir(picture), 0o750))
			s.until("what is to be on "+screen.path, func() (bool, string) {
				text, err := s.visit(screen.path, picture)
				return err == nil && screen.shows.MatchString(text), fmt.Sprintf("no %s in %.2000s %v", screen.shows, text, err)
			})
			info, err := os.Stat(picture)
			s.must(err)
			s.measure("%s.png: %d kB", screen.name, info.Size()>>10)
		}
	})
}

// visit opens a page in Chromium, stores its picture and returns its text.
func (s *step) visit(path, picture string) (string, error) {
	s.Helper()
	address, err := shared.backend.address(s.ctx)
	if err != nil {
		return "", err
	}
	command := exec.CommandContext(s.ctx, cmp.Or(os.Getenv("CHROMIUM"), "chromium"), "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
		"--user-data-dir="+s.TempDir(), "--window-size=1280,800", "--virtual-time-budget="+fmt.Sprint((10*time.Second).Milliseconds()),
		"--screenshot="+picture, "--dump-dom", "http://"+address+path)
	page, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("open %s: %w", path, err)
	}
	return textOf(string(page)), nil
}

var (
	unseen = regexp.MustCompile(`(?s)<(script|style)\b.*?</(script|style)>|<[^>]*>`)
	spaces = regexp.MustCompile(`[\s\x{a0}]+`)
)

// textOf is the text of a page.
func textOf(page string) string {
	return spaces.ReplaceAllString(html.UnescapeString(unseen.ReplaceAllString(page, "")), " ")
}
