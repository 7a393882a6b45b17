package formats

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/podflame/podflame/backend/profile"
)

// Collapsed writes a line per stack, sorted: its frames, root first, and its
// number. A frame cannot hold what separates frames or lines.
func Collapsed(out io.Writer, set *profile.StackSet, number func(profile.Stack) int64) error {
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
		sums[string(line)] += number(s)
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
