package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/safefile"
)

// wish is what the pod's annotations ask for at some moment.
type wish struct {
	settings contract.Settings
	capture  string // that is under way, in words
	refused  string // what is not followed, and why
}

// maxAnnotations bounds the file of annotations; Kubernetes allows 256 KiB of
// them, quoted here.
const maxAnnotations = 1 << 20

// wish reads the annotations, which the kubelet writes anew while the pod runs.
// Where they cannot be read or are not valid, the settings stay as they are.
func (c *Config) wish(current contract.Settings, now time.Time) wish {
	w := wish{settings: current, refused: c.Refused}
	annotations, err := readAnnotations(c.Annotations)
	if err != nil {
		w.refused = err.Error()
		return w
	}
	settings, err := c.Settings.With(annotations)
	if err == nil {
		err = c.Limits.Check(settings)
	}
	if err != nil {
		w.refused = err.Error()
		return w
	}
	w.settings = settings
	text, ok := annotations[contract.Capture]
	if !ok {
		return w
	}
	capture, err := contract.ParseCapture(text)
	switch {
	case err != nil:
		w.refused = fmt.Sprintf("annotation %s: %v", contract.Capture, err)
	case capture.Until.After(now.Add(contract.MaxCapture)):
		w.refused = fmt.Sprintf("annotation %s: until %s is more than %s ahead", contract.Capture, capture.Until.Format(time.RFC3339), contract.MaxCapture)
	case now.Before(capture.Until):
		w.settings.Events, w.capture = capture.Events, "capture of "+capture.String()
	}
	return w
}

// readAnnotations reads the file of the downward API. The kubelet makes it a link
// into the directory beside it that holds the newest version; no other link is
// followed.
func readAnnotations(path string) (map[string]string, error) {
	if path == "" {
		return nil, nil
	}
	content, err := safefile.Read(path, maxAnnotations)
	if errors.Is(err, safefile.ErrNotRegular) {
		var real string
		if real, err = filepath.EvalSymlinks(path); err == nil {
			if !strings.HasPrefix(real, filepath.Dir(path)+"/") {
				return nil, fmt.Errorf("annotations %s lie outside of their directory, in %s", path, real)
			}
			content, err = safefile.Read(real, maxAnnotations)
		}
	}
	if errors.Is(err, fs.ErrNotExist) { // not mounted, or just being replaced
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the pod's annotations: %w", err)
	}
	annotations, err := contract.ParseAnnotations(content)
	if err != nil {
		return nil, fmt.Errorf("read the pod's annotations in %s: %w", path, err)
	}
	return annotations, nil
}

// followWish takes over, at a border of windows, what the pod's annotations ask
// for. A session that was begun with other options is renewed for it.
func (w *worker) followWish() {
	wish := w.wish()
	before := w.status()
	w.board.update(w.p.Key(), func(s *TargetStatus) { s.Capture, s.Refused = wish.capture, wish.refused })
	if wish.refused != "" && wish.refused != before.Refused {
		w.log.Warn("what is asked for is not followed", "reason", profile.AnnotationRefused, "detail", wish.refused)
	}
	since := w.clock.Elapsed() - w.changed
	if sameSettings(wish.settings, w.settings) || w.changed > 0 && since+w.settings.Window/2 < w.config.Limits.ChangeInterval { // borders come a little early or late
		return
	}
	w.log.Info("settings change by annotation", "events", strings.Join(wish.settings.Events, ","), "window", wish.settings.Window, "threads", wish.settings.Threads, "capture", wish.capture)
	w.settings, w.changed = wish.settings, w.clock.Elapsed()
}

func sameSettings(a, b contract.Settings) bool {
	return slices.Equal(a.Events, b.Events) && a.Window == b.Window && a.CPUInterval == b.CPUInterval &&
		a.AllocInterval == b.AllocInterval && a.LockThreshold == b.LockThreshold && a.SampleRate == b.SampleRate && slices.Equal(a.Fixed, b.Fixed) &&
		a.Threads == b.Threads
}
