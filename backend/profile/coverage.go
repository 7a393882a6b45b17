package profile

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Coverage is the ledger of one type of one window.
type Coverage struct {
	Type     Type
	Captured Amount // what the recording held, as far as it could be read
	Stored   Amount // what the stack set holds
	Losses   []Loss // sorted; at most one per outcome and reason
	// Raw is the unscaled sum over the recording: samples for cpu and wall,
	// bytes for alloc, ns of recorded durations for lock.
	Raw int64
}

// Outcome says what became of samples that are not as they were captured.
type Outcome uint8

// The outcomes. Numbers are part of the wire: only add.
const (
	// Truncated samples were given up to stay within a limit of the profile.
	Truncated Outcome = 0
	// Dropped samples, time or bytes were lost.
	Dropped Outcome = 1
	// Shortened samples are stored, but with some of their frames or names cut.
	// They are part of Stored and no part of the sum of losses.
	Shortened Outcome = 2
	// Unvalued samples are stored with their count and the value 0, because the
	// recording does not say what one of them stands for. They are part of
	// Stored and no part of the sum of losses.
	Unvalued Outcome = 3
	// Noticed is no loss of samples: something about the type that none of its
	// samples can show. Value and Count are its size, where it has one, and part
	// of no sum.
	Noticed Outcome = 4
)

// Outcomes returns all outcomes in the order of their numbers.
func Outcomes() []Outcome { return []Outcome{Truncated, Dropped, Shortened, Unvalued, Noticed} }

// String returns the name that the API uses.
func (o Outcome) String() string {
	names := [...]string{"truncated", "dropped", "shortened", "unvalued", "noticed"}
	if int(o) < len(names) {
		return names[o]
	}
	return fmt.Sprintf("outcome%d", uint8(o))
}

// Loss is an entry of the ledger. In the ledger of a type, Value and Count are
// what was lost; of a loss that no type can claim, only Duration and Bytes are
// known, and Count where the profiler itself counted what it skipped.
type Loss struct {
	Outcome  Outcome
	Reason   Reason
	Value    int64
	Count    int64
	Duration time.Duration // that nobody profiled
	Bytes    int64         // of the recording or the window that were not read
}

// AddLoss enters a loss of captured samples.
func (c *Coverage) AddLoss(o Outcome, r Reason, a Amount) {
	c.Losses = addLoss(c.Losses, Loss{Outcome: o, Reason: r, Value: a.Value, Count: a.Count})
}

// TakeNotes takes out what is noted of samples that are not stored any more.
func (c *Coverage) TakeNotes(notes []Loss) {
	for _, l := range notes {
		i, found := slices.BinarySearchFunc(c.Losses, l, compareLoss)
		if !found {
			continue
		}
		of := &c.Losses[i]
		of.Value, of.Count = max(of.Value-l.Value, 0), max(of.Count-l.Count, 0)
		if *of == (Loss{Outcome: l.Outcome, Reason: l.Reason}) {
			c.Losses = slices.Delete(c.Losses, i, i+1)
		}
	}
}

// Sum returns what was lost with that outcome.
func (c *Coverage) Sum(o Outcome) Amount {
	var sum Amount
	for _, l := range c.Losses {
		if l.Outcome == o {
			sum = sum.Add(Amount{l.Value, l.Count})
		}
	}
	return sum
}

// Check returns an error unless captured = stored + truncated + dropped.
func (c *Coverage) Check() error {
	sum := c.Stored.Add(c.Sum(Truncated)).Add(c.Sum(Dropped))
	if sum != c.Captured {
		return fmt.Errorf("ledger of %s does not add up: captured %+v, stored + truncated + dropped %+v", c.Type, c.Captured, sum)
	}
	return nil
}

// MergeCoverage adds up ledgers of the same type, for example of all windows
// in a range.
func MergeCoverage(t Type, ledgers ...Coverage) Coverage {
	out := Coverage{Type: t}
	for _, c := range ledgers {
		out.Captured = out.Captured.Add(c.Captured)
		out.Stored = out.Stored.Add(c.Stored)
		out.Raw = add(out.Raw, c.Raw)
		out.Losses = AddLosses(out.Losses, c.Losses...)
	}
	return out
}

// AddLosses adds entries to a sorted list, one per outcome and reason.
func AddLosses(list []Loss, more ...Loss) []Loss {
	for _, l := range more {
		list = addLoss(list, l)
	}
	return list
}

func addLoss(list []Loss, l Loss) []Loss {
	if l == (Loss{Outcome: l.Outcome, Reason: l.Reason}) && l.Outcome != Noticed {
		return list
	}
	i, found := slices.BinarySearchFunc(list, l, compareLoss)
	if !found {
		return slices.Insert(list, i, l)
	}
	to := &list[i]
	to.Value, to.Count, to.Bytes = add(to.Value, l.Value), add(to.Count, l.Count), add(to.Bytes, l.Bytes)
	to.Duration = time.Duration(add(int64(to.Duration), int64(l.Duration)))
	return list
}

func compareLoss(a, b Loss) int {
	if a.Outcome != b.Outcome {
		return int(a.Outcome) - int(b.Outcome)
	}
	return strings.Compare(string(a.Reason), string(b.Reason))
}

// CoverageOf returns the ledger of a type, or nil.
func (w *Window) CoverageOf(t Type) *Coverage {
	for i := range w.Coverage {
		if w.Coverage[i].Type == t {
			return &w.Coverage[i]
		}
	}
	return nil
}

// Check returns an error if a ledger does not add up or does not agree with
// its stack set.
func (w *Window) Check() error {
	for i := range w.Coverage {
		c := &w.Coverage[i]
		if err := c.Check(); err != nil {
			return err
		}
		var total Amount
		if s := w.Set(c.Type); s != nil {
			total = s.Total()
		}
		if total != c.Stored {
			return fmt.Errorf("ledger of %s says stored %+v, its stacks sum to %+v", c.Type, c.Stored, total)
		}
	}
	for i := range w.Sets {
		if w.CoverageOf(w.Sets[i].Type) == nil {
			return fmt.Errorf("stack set %s has no ledger", w.Sets[i].Type)
		}
	}
	return nil
}
