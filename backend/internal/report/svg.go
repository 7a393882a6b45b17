package report

import (
	"encoding/xml"
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/podflame/podflame/backend/api"
)

// The drawing, in pixels.
const (
	svgWidth    = 1200.0
	svgRow      = 17.0
	svgMargin   = 10.0
	svgHead     = 44.0
	svgLetter   = 6.6 // of the font
	svgNarrow   = 0.3 // what is narrower is not drawn
	svgLine     = 15.0
	svgTextRoom = 3.0
)

// SVG is a call tree as a picture that needs no script: root on top, what a
// frame calls below it, and title texts that browsers show. Its last lines are
// the coverage.
func SVG(a *api.Flame, what string) string {
	d := drawing{a: a, totals: totalsOf(a.Parents, a.Values)}
	d.place()
	below := svgHead + float64(d.rows)*svgRow + svgLine
	notes := d.notes()
	height := below + float64(len(notes))*svgLine + svgMargin
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f" font-family="monospace" font-size="11">`+"\n",
		svgWidth, height, svgWidth, height)
	fmt.Fprintf(&b, `<rect width="%.0f" height="%.0f" fill="#fff"/>`+"\n", svgWidth, height)
	text(&b, svgMargin, 18, 14, what)
	text(&b, svgMargin, 34, 11, fmt.Sprintf("%s to %s, total %s in %s %s", a.Range.From.UTC().Format("2006-01-02 15:04:05Z"),
		a.Range.To.UTC().Format("2006-01-02 15:04:05Z"), Value(a.Type, a.Total.Value), Count(a.Total.Count), a.CountUnit))
	for node := 1; node < len(d.totals); node++ {
		d.frame(&b, node)
	}
	for i, note := range notes {
		text(&b, svgMargin, below+float64(i)*svgLine, 11, note)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

type drawing struct {
	a      *api.Flame
	totals []int64
	left   []float64
	row    []int
	rows   int
	narrow int // frames that are not drawn
}

// place puts each node below its parent, siblings side by side.
func (d *drawing) place() {
	d.left, d.row = make([]float64, len(d.totals)), make([]int, len(d.totals))
	next := make([]float64, len(d.totals))
	if len(next) > 0 {
		next[0] = svgMargin
	}
	for node := 1; node < len(d.totals); node++ {
		parent := d.a.Parents[node]
		d.left[node], next[node], d.row[node] = next[parent], next[parent], d.row[parent]+1
		next[parent] += d.width(node)
		if d.width(node) < svgNarrow {
			d.narrow++
			continue
		}
		d.rows = max(d.rows, d.row[node])
	}
}

func (d *drawing) width(node int) float64 {
	if len(d.totals) == 0 || d.totals[0] == 0 {
		return 0
	}
	return (svgWidth - 2*svgMargin) * float64(d.totals[node]) / float64(d.totals[0])
}

func (d *drawing) frame(b *strings.Builder, node int) {
	width := d.width(node)
	if width < svgNarrow {
		return
	}
	f := d.a.Frames[node]
	name, kind := Clean(d.a.Functions[f]), d.a.Kinds[f]
	y := svgHead + float64(d.row[node]-1)*svgRow
	fmt.Fprintf(b, `<g><title>%s [%s]: %s (%s), self %s</title><rect x="%.2f" y="%.1f" width="%.2f" height="%.1f" fill="%s" stroke="#fff" stroke-width="0.4"/>`,
		escape(name), escape(kind), Value(d.a.Type, d.totals[node]), percent(float64(d.totals[node]), float64(d.a.Total.Value)),
		Value(d.a.Type, d.a.Values[node]), d.left[node], y, width, svgRow-1, tint(name, kind))
	if letters := int((width - 2*svgTextRoom) / svgLetter); letters >= 4 {
		text(b, d.left[node]+svgTextRoom, y+12, 11, shorten(name, letters))
	}
	b.WriteString("</g>\n")
}

// tint is the colour of a kind of code, of another lightness for each package:
// the same in every picture.
func tint(name, kind string) string {
	hues := map[string]int{"java": 110, "native": 0, "cpp": 50, "kernel": 30, "class": 200, "omitted": 0}
	if kind == "omitted" {
		return "#cccccc"
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(name[:max(strings.LastIndexByte(name, '.'), 0)]))
	return fmt.Sprintf("hsl(%d,55%%,%d%%)", hues[kind], 62+h.Sum32()%18)
}

func (d *drawing) notes() []string {
	notes := strings.Split(strings.TrimSpace(Coverage(d.a.Coverage, d.a.Type, Style{})), "\n")
	if d.narrow > 0 || d.a.Omitted.Nodes > 0 {
		notes = append(notes, fmt.Sprintf("omitted: %s too narrow to draw, %s with %s beyond the limit of nodes", plural(d.narrow, "frame"),
			plural(d.a.Omitted.Nodes, "node"), Value(d.a.Type, d.a.Omitted.Value)))
	}
	return notes
}

func text(b *strings.Builder, x, y float64, size int, what string) {
	fmt.Fprintf(b, `<text x="%.2f" y="%.1f" font-size="%d">%s</text>`, x, y, size, escape(Clean(what)))
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}
