package report

import (
	"fmt"
	"strings"

	"github.com/podflame/podflame/backend/api"
)

// Regressions is the table of verdicts on new versions, worse first.
func Regressions(a *api.Regressions, limit int, s Style) string {
	var b strings.Builder
	counts := map[string]int{}
	for _, r := range a.Regressions {
		counts[string(r.Verdict)]++
	}
	fmt.Fprintf(&b, "%s: %s\n", s.in(bold, plural(len(a.Regressions), "verdict")), states(counts))
	t := table{header: []string{"VERDICT", "NAMESPACE", "SERVICE", "VERSION", "BEFORE", ">CPU FOR THE SAME WORK", ">WINDOWS", "FUNCTIONS"}}
	for _, r := range a.Regressions[:min(len(a.Regressions), limit)] {
		growth := "-"
		if r.Growth != 0 {
			growth = fmt.Sprintf("%+.1f%%", 100*r.Growth)
		}
		before, after := r.Base.Coverage.Windows, r.Head.Coverage.Windows
		t.add(tinted(verdictColour(r.Verdict), string(r.Verdict)), plain(r.Namespace), plain(r.Service), plain(r.Version), plain(r.Before),
			tinted(direction(r.Growth), growth), plain(fmt.Sprintf("%d/%d, %d/%d", before.Stored, before.Expected, after.Stored, after.Expected)), plain(explanation(r.Functions)))
	}
	t.write(&b, s)
	if n := len(a.Regressions) - limit; n > 0 {
		fmt.Fprintf(&b, "omitted: %s\n", plural(n, "verdict"))
	}
	if a.Truncated {
		b.WriteString(s.in(yellow, "there are more services than are looked at") + "\n")
	}
	b.WriteString("coverage: of services with two versions within a day, as this backend looked at them last; windows are those stored of those expected, before and after\n")
	return b.String()
}

func explanation(list []api.Change) string {
	var parts []string
	for _, c := range list {
		parts = append(parts, fmt.Sprintf("%s %s to %s", c.Name, percent(c.Base, 1), percent(c.Head, 1)))
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, ", ")
}

func verdictColour(v api.Verdict) colour {
	return map[api.Verdict]colour{api.Worse: red, api.Better: green, api.TooEarly: yellow}[v]
}
