package report

import (
	"fmt"
	"strings"

	"github.com/podflame/podflame/backend/api"
)

// Top is the table of functions of a selection.
func Top(a *api.Top, what string, s Style) string {
	var b strings.Builder
	heading(&b, s, what, a.Range)
	fmt.Fprintf(&b, "total %s in %s %s\n", Value(a.Type, a.Total.Value), Count(a.Total.Count), a.CountUnit)
	outside(&b, a.Type, a.Outside, a.Total)
	t := table{header: []string{">SELF", ">%", ">TOTAL", ">%", "FUNCTION"}}
	whole := float64(a.Total.Value)
	for _, f := range a.Functions {
		t.add(plain(Value(a.Type, f.Self.Value)), tinted(heat(float64(f.Self.Value), whole), percent(float64(f.Self.Value), whole)),
			plain(Value(a.Type, f.Total.Value)), plain(percent(float64(f.Total.Value), whole)), function(f.Name, f.Kind))
	}
	t.write(&b, s)
	omitted(&b, a.Omitted, a)
	coverage(&b, s, "coverage", a.Coverage, a.Type)
	return b.String()
}

func omitted(b *strings.Builder, o api.OmittedFunctions, a *api.Top) {
	if o.Functions > 0 || o.Self.Value > 0 {
		fmt.Fprintf(b, "omitted: %s with %s of self (%s)\n", plural(o.Functions, "function"), Value(a.Type, o.Self.Value),
			percent(float64(o.Self.Value), float64(a.Total.Value)))
	}
}

// heat is the colour of a share.
func heat(part, whole float64) colour {
	switch {
	case whole <= 0:
		return ""
	case part/whole >= 0.10:
		return red
	case part/whole >= 0.02:
		return yellow
	}
	return ""
}

// function is a name, with its kind unless it is Java's.
func function(name, kind string) cell {
	if kind == "java" {
		return plain(name)
	}
	return plain(name + " [" + kind + "]")
}
