package spool

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"github.com/podflame/podflame/backend/profile"
)

// errNoSpace is what a write to a full disk, or beyond a quota's sizeLimit,
// returns.
const errNoSpace = syscall.ENOSPC

// enforce brings the queue within its limits: first age, then bytes and files.
func (s *Spool) enforce() {
	for i := 0; i < len(s.entries); {
		e := s.entries[i]
		if s.now().Sub(e.Start) <= s.limits.Age {
			break // the rest is younger
		}
		if e.Remains {
			i++
			continue
		}
		s.strip(e, profile.SpoolExpired)
		i = 0
	}
	for s.bytes > s.limits.Bytes || len(s.entries) > s.limits.Files {
		if !s.shrink(profile.SpoolFull) {
			return
		}
	}
}

// shrink takes the stacks of the oldest window, or, where only remains are
// left or files are too many, the oldest remains. It reports whether there was
// anything to take.
func (s *Spool) shrink(reason profile.Reason) bool {
	if len(s.entries) == 0 {
		return false
	}
	if len(s.entries) <= s.limits.Files {
		for _, e := range s.entries {
			if !e.Remains {
				s.strip(e, reason)
				return true
			}
		}
	}
	s.giveUp(s.entries[0], reason)
	return true
}

// strip replaces a window by its remains.
func (s *Spool) strip(e Entry, reason profile.Reason) {
	s.dropped++
	s.metrics.dropped.WithLabelValues(label(reason)).Inc()
	w, err := s.load(e)
	if err != nil {
		s.log.Error("read spool file", "file", e.Name, "error", err)
		s.giveUp(e, profile.SpoolUnreadable)
		return
	}
	s.log.Warn("window lost its stacks", "reason", reason, "window", w.ID.String(), "start", w.Start)
	Strip(w, reason)
	err = s.writeOnce(w, remainsExt)
	if errors.Is(err, errNoSpace) {
		s.remove(e.Name)
		err = s.writeOnce(w, remainsExt)
	}
	if err != nil {
		s.log.Error("write remains", "window", w.ID.String(), "error", err)
		s.remove(e.Name)
		s.lost.add(w)
	}
}

func (s *Spool) load(e Entry) (*profile.Window, error) {
	body, err := os.ReadFile(filepath.Join(s.dir, e.Name))
	if err != nil {
		return nil, err
	}
	limits := profile.DefaultDecodeLimits()
	limits.MaxEncoded = len(body)
	return profile.Decode(body, limits)
}

// giveUp removes an entry and keeps what it would have reported as losses for
// the next window. How long a window was that cannot be read is unknown; a byte
// stands for an empty file, as a loss of nothing would be none.
func (s *Spool) giveUp(e Entry, reason profile.Reason) {
	if w, err := s.load(e); err == nil {
		if !e.Remains {
			Strip(w, reason)
		}
		s.lost.add(w)
	} else {
		s.lost.Losses = profile.AddLosses(s.lost.Losses, profile.Loss{Outcome: profile.Dropped, Reason: reason, Bytes: max(1, e.Size)})
	}
	s.saveLost()
	s.metrics.removed.WithLabelValues(label(reason)).Inc()
	s.log.Warn("window removed from spool", "reason", reason, "file", e.Name)
	s.remove(e.Name)
}

// Strip takes the stacks of a window and enters what they held as dropped.
func Strip(w *profile.Window, reason profile.Reason) {
	w.Sets = nil
	for i := range w.Coverage {
		c := &w.Coverage[i]
		c.AddLoss(profile.Dropped, reason, c.Stored)
		c.Stored = profile.Amount{}
		c.Losses = onlyLost(c.Losses)
	}
	w.Losses = profile.AddLosses(w.Losses, timeLost(w.End.Sub(w.Start), reason))
}

// onlyLost drops the notes about stacks that are no longer stored.
func onlyLost(losses []profile.Loss) []profile.Loss {
	var rest []profile.Loss
	for _, l := range losses {
		if l.Outcome == profile.Truncated || l.Outcome == profile.Dropped {
			rest = append(rest, l)
		}
	}
	return rest
}
