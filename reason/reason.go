// Package reason is the one table of reasons: every cause of a loss, a refusal,
// a skip or a warning that Podflame knows, in words, with what to do about it.
//
// A Code is the same in a log attribute, a metric label, a field of the API, an
// annotation and an Event, so that one search finds them all. The constants are
// where they are used: backend/profile has those of sidecar and backend,
// webhook/internal/inject has those of injection. The words are here, because
// all programs show them and the webhook must not import the backend. The
// package imports nothing of ours.
package reason

import "slices"

// Code is the code of one cause, in snake_case.
type Code string

// Text says a reason in words. Text is one sentence and Remedy is one, or empty
// if nothing needs doing; neither ends with a full stop, as a detail may follow.
type Text struct {
	Reason Code   `json:"reason"`
	Text   string `json:"text"`   // what happened
	Remedy string `json:"remedy"` // what to do about it
}

// All are the words of every reason.
func All() []Text { return slices.Concat(Profiling(), Outcomes(), Warnings(), Sidecars()) }

// Explain returns the words of a code. A code that this version does not know
// (it may come from a newer one) explains itself as such.
func Explain(c Code) Text {
	table := All()
	if i := slices.IndexFunc(table, func(t Text) bool { return t.Reason == c }); i >= 0 {
		return table[i]
	}
	return Text{Reason: c, Text: "Reason " + string(c) + ", which this version does not know", Remedy: "Update Podflame"}
}

// Text is what happened.
func (c Code) Text() string { return Explain(c).Text }

// Remedy is what to do about it, or empty.
func (c Code) Remedy() string { return Explain(c).Remedy }

// Say is the text, the detail in parentheses if there is one, and the remedy, as
// sentences.
func Say(c Code, detail string) string {
	t := Explain(c)
	if detail != "" {
		t.Text += " (" + detail + ")"
	}
	if t.Remedy == "" {
		return Sentence(t.Text)
	}
	return Sentence(t.Text) + " " + Sentence(t.Remedy)
}

// Sentence puts the full stop, except behind nothing.
func Sentence(s string) string {
	if s == "" {
		return ""
	}
	return s + "."
}
