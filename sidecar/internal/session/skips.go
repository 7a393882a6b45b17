package session

// Skips are the samples that the profiler did not take because it was busy. Its counter
// begins when the library is loaded and runs on over all sessions, also those that no
// sidecar saw the end of.
type Skips struct {
	Known   bool  `json:"known,omitempty"`   // what the counter showed before is told
	Counted int64 `json:"counted,omitempty"` // by the profiler, at its last answer
	Told    int64 `json:"told,omitempty"`    // of these, by windows in the spool
}

// Count enters an answer of the profiler. An answer that could not be read shows zero,
// and is none. Where nobody knows what was told before, the first one is where it begins.
func (s *Skips) Count(total int64) {
	if total <= s.Counted {
		return
	}
	s.Counted = total
	if !s.Known {
		s.Known, s.Told = true, total
	}
}

// Untold are those that no window tells yet.
func (s Skips) Untold() int64 { return s.Counted - s.Told }

func (s Skips) valid() bool { return s.Told >= 0 && s.Counted >= s.Told }
