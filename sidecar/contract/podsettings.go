package contract

import (
	"bufio"
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseAnnotations reads a pod's annotations as the downward API writes them:
// one a line, key="value" with the value quoted as in Go. What is no such line is
// an error.
func ParseAnnotations(content []byte) (map[string]string, error) {
	annotations := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(content))
	lines.Buffer(nil, len(content)+1)
	for lines.Scan() {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		key, quoted, ok := strings.Cut(lines.Text(), "=")
		value, err := strconv.Unquote(quoted)
		if !ok || err != nil {
			return nil, fmt.Errorf("line %.80q is not key=\"value\"", lines.Text())
		}
		annotations[key] = value
	}
	return annotations, lines.Err()
}

// With returns the settings with what a pod's annotations say instead. If one of
// them is not valid the error names it and its value, and nothing is changed.
func (s Settings) With(annotations map[string]string) (Settings, error) {
	changed, failed := s, error(nil)
	read := func(key string, parse func(text string) error) {
		text, ok := annotations[key]
		if !ok || failed != nil {
			return
		}
		if err := parse(text); err != nil {
			failed = fmt.Errorf("annotation %s: %w", key, err)
		}
	}
	read(Events, func(text string) (err error) { changed.Events, err = ParseEvents(text); return err })
	read(Window, func(text string) (err error) { changed.Window, err = ParseWindow(text); return err })
	read(CPUInterval, func(text string) (err error) { changed.CPUInterval, err = ParseCPUInterval(text); return err })
	read(AllocInterval, func(text string) (err error) { changed.AllocInterval, err = ParseAllocInterval(text); return err })
	read(LockThreshold, func(text string) (err error) { changed.LockThreshold, err = ParseLockThreshold(text); return err })
	read(SampleRate, func(text string) (err error) { changed.SampleRate, err = ParseSampleRate(text); return err })
	changed.Fix(FixedBy(annotations)...)
	read(Threads, func(text string) (err error) { changed.Threads, err = ParseThreads(text); return err })
	if failed != nil {
		return s, failed
	}
	return changed, nil
}

// FixedBy are the events whose interval annotations ask for.
func FixedBy(annotations map[string]string) (events []string) {
	for i, key := range []string{CPUInterval, AllocInterval, LockThreshold} {
		if _, ok := annotations[key]; ok {
			events = append(events, Budgeted()[i])
		}
	}
	return events
}

// CaptureRequest asks for other events until some time.
type CaptureRequest struct {
	Events []string
	Until  time.Time
}

// MaxCapture bounds how far ahead a capture may end.
const MaxCapture = 24 * time.Hour

// ParseCapture reads the value of the annotation Capture, such as
// "events=cpu,wall;until=2026-11-26T12:00:00Z".
func ParseCapture(text string) (CaptureRequest, error) {
	var c CaptureRequest
	for part := range strings.SplitSeq(text, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		var err error
		switch key {
		case "events":
			c.Events, err = ParseEvents(value)
		case "until":
			if c.Until, err = time.Parse(time.RFC3339, value); err != nil {
				err = fmt.Errorf("until: %.64q is not a time such as 2026-11-26T12:00:00Z", value)
			}
		default:
			err = fmt.Errorf("%.64q is neither events nor until", key)
		}
		if err != nil {
			return CaptureRequest{}, err
		}
	}
	if len(c.Events) == 0 || c.Until.IsZero() {
		return CaptureRequest{}, fmt.Errorf("%.80q does not say events and until", text)
	}
	return c, nil
}

// String returns the value of the annotation.
func (c CaptureRequest) String() string {
	return "events=" + strings.Join(c.Events, ",") + ";until=" + c.Until.UTC().Format(time.RFC3339)
}
