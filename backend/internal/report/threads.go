package report

import (
	"fmt"
	"strings"

	"github.com/podflame/podflame/backend/api"
)

// Threads is the table of the groups of threads of a selection, the heaviest of
// them up to limit.
func Threads(a *api.Series, what string, limit int, s Style) string {
	var b strings.Builder
	heading(&b, s, what, a.Range)
	stored := a.Coverage.Stored
	fmt.Fprintf(&b, "total %s in %s %s\n", Value(a.Type, stored.Value), Count(stored.Count), a.CountUnit)
	t := table{header: []string{">" + strings.ToUpper(a.CountUnit), ">VALUE", ">%", "THREADS"}}
	whole := float64(stored.Value)
	for _, p := range a.Parts[:min(len(a.Parts), limit)] {
		value := float64(p.Total.Value)
		t.add(plain(Count(p.Total.Count)), plain(Value(a.Type, p.Total.Value)), tinted(heat(value, whole), percent(value, whole)), plain(p.Name))
	}
	t.write(&b, s)
	if more := max(len(a.Parts)-limit, 0) + a.OtherParts; more > 0 {
		fmt.Fprintf(&b, "omitted: %s\n", plural(more, "group"))
	}
	coverage(&b, s, "coverage", a.Coverage, a.Type)
	return b.String()
}
