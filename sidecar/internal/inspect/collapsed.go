package inspect

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/podflame/podflame/backend/profile"
)

// writeCollapsed prints a line per stack, sorted. A frame cannot hold what
// separates frames or lines.
func (r *recording) writeCollapsed(out io.Writer, t profile.Type) error {
	set := r.set(t)
	separators := strings.NewReplacer(";", ",", "\n", " ", "\r", " ")
	names := make([]string, len(set.Functions))
	for i, f := range set.Functions {
		names[i] = separators.Replace(f.Name)
	}
	sums := map[string]int64{}
	var line []byte
	for _, s := range set.Stacks {
		line = line[:0]
		for i, f := range s.Frames {
			if i > 0 {
				line = append(line, ';')
			}
			line = append(line, names[f]...)
		}
		sums[string(line)] += r.number(s)
	}
	return writeSums(out, sums)
}

func writeSums(out io.Writer, sums map[string]int64) error {
	stacks := make([]string, 0, len(sums))
	for stack := range sums {
		stacks = append(stacks, stack)
	}
	slices.Sort(stacks)
	w := bufio.NewWriter(out)
	for _, stack := range stacks {
		_, _ = w.WriteString(stack)
		_ = w.WriteByte(' ')
		_, _ = w.WriteString(strconv.FormatInt(sums[stack], 10))
		_ = w.WriteByte('\n')
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write stacks: %w", err)
	}
	return nil
}

// number is what is asked for of a stack. Of a recording that was read raw,
// the value is the raw sum.
func (r *recording) number(s profile.Stack) int64 {
	if r.req.Value == Count {
		return s.Count
	}
	return s.Value
}

// unit is the unit of a stack's value.
func (r *recording) unit(t profile.Type) string {
	if r.req.Value == Raw && (t == profile.CPU || t == profile.Wall) {
		return "samples"
	}
	return t.Unit()
}

// countUnit is the unit of a stack's count. A raw count is one of events.
func (r *recording) countUnit(t profile.Type) string {
	if r.req.Value == Raw {
		return "samples"
	}
	return t.CountUnit()
}
