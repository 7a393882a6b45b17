package report

import (
	"strings"
	"unicode/utf8"
)

// cell is a text with a colour, which takes no room.
type cell struct {
	text   string
	colour colour
}

func plain(text string) cell { return cell{text: Clean(text)} }

func tinted(c colour, text string) cell { return cell{text: Clean(text), colour: c} }

// table aligns its columns; the last one is as long as it is. A header that
// begins with ">" is of numbers, which end at the same column.
type table struct {
	header []string
	rows   [][]cell
}

func (t *table) add(cells ...cell) { t.rows = append(t.rows, cells) }

const gap = "  "

// write appends the table. Style.Width cuts the last column.
func (t *table) write(b *strings.Builder, s Style) {
	widths := make([]int, len(t.header))
	header := make([]cell, len(t.header))
	for i, h := range t.header {
		header[i] = cell{text: strings.TrimPrefix(h, ">"), colour: bold}
		widths[i] = utf8.RuneCountInString(header[i].text)
	}
	for _, row := range t.rows {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	t.line(b, s, header, widths)
	for _, row := range t.rows {
		t.line(b, s, row, widths)
	}
}

func (t *table) line(b *strings.Builder, s Style, row []cell, widths []int) {
	used := 0
	for i, c := range row {
		last := i == len(row)-1
		right := strings.HasPrefix(t.header[i], ">")
		if last && !right && s.Width > 0 {
			c.text = shorten(c.text, max(s.Width-used, 20))
		}
		space := strings.Repeat(" ", max(0, widths[i]-utf8.RuneCountInString(c.text)))
		if right {
			b.WriteString(space)
		}
		b.WriteString(s.in(c.colour, c.text))
		if !last {
			if !right {
				b.WriteString(space)
			}
			b.WriteString(gap)
		}
		used += widths[i] + len(gap)
	}
	b.WriteByte('\n')
}
