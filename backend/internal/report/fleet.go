package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
)

// Fleet is the table of functions over all services. Without a price, that of the
// backend counts, if there is one.
func Fleet(a *api.FleetTop, what string, p Price, s Style) string {
	if p.PerCoreHour == 0 {
		p = Price{PerCoreHour: a.Price.PerCoreHour, Currency: a.Price.Currency}
	}
	priced := p.PerCoreHour > 0 && a.Type == profile.CPU && a.PerSecond != nil
	var b strings.Builder
	heading(&b, s, what, a.Range)
	fmt.Fprintf(&b, "total %s in %s %s of %s\n", Value(a.Type, a.Total.Value), Count(a.Total.Count), a.CountUnit, plural(a.Services+a.Unread.Services, "service"))
	outside(&b, a.Type, a.Outside, a.Total)
	t := table{header: []string{">SELF", ">% OF ALL", ">TOTAL", ">%", ">SERVICES", "MOST IN", "FUNCTION"}}
	if priced {
		t.header = slices.Insert(t.header, 2, ">MONTHLY")
	}
	whole := float64(a.Total.Value)
	for _, f := range a.Functions {
		row := []cell{
			plain(Value(a.Type, f.Self.Value)), tinted(heat(float64(f.Self.Value), whole), percent(float64(f.Self.Value), whole)),
			plain(Value(a.Type, f.Total.Value)), plain(percent(float64(f.Total.Value), whole)),
			plain(Count(int64(f.Services))), plain(f.Most.Namespace + "/" + f.Most.Service), function(f.Name, f.Kind),
		}
		if priced {
			row = slices.Insert(row, 2, plain(p.month(part(a, f.Self.Value))))
		}
		t.add(row...)
	}
	t.write(&b, s)
	if a.Omitted.Functions > 0 || a.Omitted.Self.Value > 0 {
		fmt.Fprintf(&b, "omitted: %s with %s of self (%s)\n", plural(a.Omitted.Functions, "function"), Value(a.Type, a.Omitted.Self.Value), percent(float64(a.Omitted.Self.Value), whole))
	}
	if a.Unread.Services > 0 {
		fmt.Fprintf(&b, "omitted: %s with %s (%s), whose functions were not read: narrow it to a namespace or a shorter time\n",
			plural(a.Unread.Services, "service"), Value(a.Type, a.Unread.Total.Value), percent(float64(a.Unread.Total.Value), whole))
	}
	if priced {
		fmt.Fprintf(&b, "all together: %.3g CPUs, %s a month of 730 h at %s per core-hour, if it goes on so\n", *a.PerSecond/float64(time.Second), p.month(*a.PerSecond/float64(time.Second)), p.say(p.PerCoreHour))
	}
	if a.Truncated {
		b.WriteString(s.in(yellow, "there are more services or targets than are listed or counted") + "\n")
	}
	coverage(&b, s, "coverage", a.Coverage, a.Type)
	return b.String()
}

// part is how many CPUs a part of the total takes.
func part(a *api.FleetTop, value int64) float64 {
	if a.Total.Value == 0 {
		return 0
	}
	return *a.PerSecond / float64(time.Second) * float64(value) / float64(a.Total.Value)
}
