package acceptance

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// uiPages are what a person looks at, by the name of the screenshot.
func uiPages() map[string]string {
	profile := scope(annotatedNamespace, "java17", "cpu")
	if len(shared.lacks) > 0 {
		profile = scope(demoNamespace, "demo", "cpu") // all that runs there
	}
	return map[string]string{
		"services": "/",
		"profile":  "/profile?" + profile.Encode(),
		"targets":  "/targets",
	}
}

func ui(t *testing.T) {
	claim(t, "UI", "the screens show in Chromium, through kubectl port-forward", func(s *step) {
		address, err := shared.backend.address(s.ctx)
		s.must(err)
		for name, page := range uiPages() {
			picture := filepath.Join(shared.reportFolder(), name+".png")
			s.must(os.MkdirAll(filepath.Dir(picture), 0o750))
			command := exec.CommandContext(s.ctx, cmp.Or(os.Getenv("CHROMIUM"), "chromium"), "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
				"--user-data-dir="+s.TempDir(), "--window-size=1280,800", "--virtual-time-budget="+fmt.Sprint((10*time.Second).Milliseconds()),
				"--screenshot="+picture, "http://"+address+page)
			if output, err := command.CombinedOutput(); err != nil {
				s.Fatalf("screenshot of %s: %v: %s", page, err, output)
			}
			info, err := os.Stat(picture)
			s.must(err)
			s.measure("%s.png: %d kB", name, info.Size()>>10)
		}
	})
}
