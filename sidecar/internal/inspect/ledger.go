package inspect

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

// writeLedger prints what was read and what was not.
func (r *recording) writeLedger(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	r.ledgerHead(w)
	_, _ = fmt.Fprintln(w, "\ntype\tunit\tcaptured\tstored\ttruncated\tdropped\traw\tcount unit\tcaptured\tstored\ttruncated\tdropped")
	shown := r.shown()
	for i := range shown {
		r.ledgerLine(w, &shown[i])
	}
	r.ledgerLosses(w, shown)
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write ledger: %w", err)
	}
	return nil
}

func (r *recording) ledgerHead(w io.Writer) {
	var lost int64
	for _, l := range r.losses {
		lost += l.Bytes
	}
	_, _ = fmt.Fprintf(w, "file\t%s\n", r.req.Path)
	_, _ = fmt.Fprintf(w, "bytes\t%d, of which not read: %d\n", r.size, lost)
	_, _ = fmt.Fprintf(w, "chunks\t%d read of %d\n", r.result.Chunks, len(r.layout.Chunks))
	if s := r.result.Recorded; !s.Start.IsZero() {
		_, _ = fmt.Fprintf(w, "recorded\t%s to %s (%s)\n", s.Start.Format(time.RFC3339Nano), s.End.Format(time.RFC3339Nano), s.End.Sub(s.Start))
	}
	s := r.result.Settings
	_, _ = fmt.Fprintf(w, "settings\tengine %q, cpu %s, alloc %d bytes, lock %s, wall %s%s%s\n", s.Engine, s.CPUInterval, s.AllocInterval, s.LockThreshold, s.WallInterval, r.native(), r.tick())
	if len(r.result.Unread) > 0 {
		_, _ = fmt.Fprintf(w, "not read\t%s\n", r.unread())
	}
	for _, p := range r.result.Problems {
		_, _ = fmt.Fprintf(w, "problem\t%s\n", p)
	}
}

// native says how native memory and locks were sampled, where they were.
func (r *recording) native() string {
	s, text := r.result.Settings, ""
	if r.coverage(profile.NativeMem).Captured.Count > 0 {
		text = fmt.Sprintf(", nativemem %d bytes", s.NativeInterval)
	}
	if r.coverage(profile.NativeLock).Captured.Count > 0 {
		text += fmt.Sprintf(", nativelock %s", s.NativeThreshold)
	}
	return text
}

// tick is the kernel's, where it was given or seen.
func (r *recording) tick() string {
	switch tick := r.result.Settings.Tick; {
	case tick == 0:
		return ""
	case r.req.Tick == 0:
		return fmt.Sprintf(", tick %s (seen in the spacing of samples)", tick)
	default:
		return fmt.Sprintf(", tick %s", tick)
	}
}

func (r *recording) ledgerLine(w io.Writer, c *profile.Coverage) {
	truncated, dropped := c.Sum(profile.Truncated), c.Sum(profile.Dropped)
	_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%s\t%d\t%d\t%d\t%d\n", r.name(c.Type),
		r.unit(c.Type), c.Captured.Value, c.Stored.Value, truncated.Value, dropped.Value, c.Raw,
		r.countUnit(c.Type), c.Captured.Count, c.Stored.Count, truncated.Count, dropped.Count)
}

func (r *recording) ledgerLosses(w io.Writer, shown []profile.Coverage) {
	_, _ = fmt.Fprintln(w, "\nloss\treason\ttype\tvalue\tcount\tbytes\texplanation")
	none := true
	line := func(t string, l profile.Loss) {
		text := profile.Explain(l.Reason)
		explanation := strings.TrimSuffix(text.Text+". "+text.Remedy, ". ")
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%s\n", l.Outcome, l.Reason, t, l.Value, l.Count, l.Bytes, explanation)
		none = false
	}
	for _, l := range r.losses {
		line("-", l)
	}
	for i := range shown {
		for _, l := range shown[i].Losses {
			line(r.name(shown[i].Type), l)
		}
	}
	if none {
		_, _ = fmt.Fprintln(w, "none")
	}
}
