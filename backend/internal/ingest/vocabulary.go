package ingest

import (
	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/reason"
)

// vocabulary are the reasons that are stored, counted and listed. Whatever else an
// upload says becomes profile.UnknownReason: as labels and in columns that lists are
// built from, a set of values that anyone may add to would be a hazard.
type vocabulary map[profile.Reason]struct{}

func newVocabulary() vocabulary {
	v := vocabulary{}
	for _, t := range reason.Profiling() {
		v[t.Reason] = struct{}{}
	}
	return v
}

// known returns the reason itself or the one that stands for all others.
func (v vocabulary) known(r profile.Reason) profile.Reason {
	if _, ok := v[r]; ok || r == "" {
		return r
	}
	return profile.UnknownReason
}

// translate puts known reasons into the ledgers of a window. Their sums stay.
func (v vocabulary) translate(w *profile.Window) {
	w.Losses = v.losses(w.Losses)
	for i := range w.Coverage {
		w.Coverage[i].Losses = v.losses(w.Coverage[i].Losses)
	}
}

func (v vocabulary) losses(list []profile.Loss) []profile.Loss {
	var out []profile.Loss
	for _, l := range list {
		if l.Reason = v.known(l.Reason); l.Reason == "" {
			l.Reason = profile.UnknownReason
		}
		out = profile.AddLosses(out, l)
	}
	return out
}
