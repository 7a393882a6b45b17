package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/podflame/podflame/backend/api"
)

// The parts of the API's answers that the tests look at.
type amount struct{ Value, Count int64 }

func (a amount) add(b amount) amount { return amount{a.Value + b.Value, a.Count + b.Count} }

type coverage struct {
	Windows                              struct{ Expected, Stored, Lost int }
	Captured, Stored, Truncated, Dropped amount
	Losses, NotCaptured                  []loss
}

type loss struct {
	Outcome, Reason string
	Routine         bool
	Value, Count    int64
	DurationNs      int64
}

type top struct {
	Total     amount
	Functions []struct {
		Name        string
		Kind        string
		Self, Total amount
	}
	Coverage coverage
}

func (t top) total(name string) amount {
	for _, f := range t.Functions {
		if f.Name == name {
			return f.Total
		}
	}
	return amount{}
}

type flame struct {
	api.Graph
	Total    amount
	Coverage coverage
}

// stacks returns each stack in which something was measured, as the names of
// its functions, root first.
func (f flame) stacks() [][]string {
	var stacks [][]string
	for node, count := range f.Counts {
		if count == 0 {
			continue
		}
		var stack []string
		for at := int32(node); f.Parents[at] >= 0; at = f.Parents[at] {
			stack = append(stack, f.Functions[f.Frames[at]])
		}
		slices.Reverse(stack)
		stacks = append(stacks, stack)
	}
	return stacks
}

// hasPath reports whether some stack has these functions in this order, with
// others between them allowed.
func (f flame) hasPath(functions ...string) bool {
	return slices.ContainsFunc(f.stacks(), func(stack []string) bool {
		for _, want := range functions {
			i := slices.Index(stack, want)
			if i < 0 {
				return false
			}
			stack = stack[i+1:]
		}
		return true
	})
}

type series struct {
	StepSeconds int
	Points      []struct {
		Start       time.Time
		Value       int64
		Count       int64
		Status      string
		Windows     struct{ Expected, Stored, Lost int }
		NotCaptured []loss
	}
}

type targets struct {
	Targets []struct {
		Series   string
		Identity struct {
			Service, MainClass, JvmVersion string
			Pid                            int
		}
		State struct {
			State, Reason, Session, Engine string
			Adopted                        bool
		}
		Silent bool
	}
}

// storedWindows waits until a type has at least n stored windows.
func (c *chain) storedWindows(typ string, n int) {
	c.t.Helper()
	c.until(fmt.Sprintf("%d stored windows of %s", n, typ), func(ctx context.Context) (bool, string) {
		var got coverage
		if err := c.backend.Get(ctx, "/api/v1/coverage", c.span(typ), &got); err != nil {
			return false, err.Error()
		}
		return got.Windows.Stored >= n, text(got)
	})
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
