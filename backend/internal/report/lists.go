package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
)

// Services is the table of services: what each takes of all that are listed.
func Services(a *api.Services, p Price, limit int, s Style) string {
	var b strings.Builder
	heading(&b, s, plural(len(a.Services), "service"), a.Range)
	fleet := fleetOf(a)
	list := slices.Clone(a.Services)
	slices.SortStableFunc(list, func(x, y api.Service) int {
		return cmp.Or(cmp.Compare(cores(y), cores(x)), cmp.Compare(x.Namespace, y.Namespace), cmp.Compare(x.Service, y.Service))
	})
	header := []string{"NAMESPACE", "SERVICE", ">CPUS", ">%", ">ALLOC", ">%", "TARGETS", ">WINDOWS", "VERSIONS"}
	if p.PerCoreHour > 0 {
		header = slices.Insert(header, 4, ">MONTHLY")
	}
	t := table{header: header}
	for _, one := range list[:min(len(list), limit)] {
		t.add(serviceRow(one, fleet, p)...)
	}
	t.write(&b, s)
	if n := len(list) - limit; n > 0 {
		fmt.Fprintf(&b, "omitted: %s (lighter)\n", plural(n, "service"))
	}
	if p.PerCoreHour > 0 {
		fmt.Fprintf(&b, "all together: %.3g CPUs, %s a month of 730 h at %s per core-hour, if it goes on so\n", fleet.cores, p.month(fleet.cores), p.say(p.PerCoreHour))
	}
	if a.Truncated {
		b.WriteString(s.in(yellow, "there are more services or targets than are listed or counted") + "\n")
	}
	allServices(&b, s, a)
	return b.String()
}

// allServices is the coverage of all of them together.
func allServices(b *strings.Builder, s Style, a *api.Services) {
	var sum api.Windows
	trouble := 0
	for _, one := range a.Services {
		sum.Expected += one.Windows.Expected
		sum.Stored += one.Windows.Stored
		sum.Lost += one.Windows.Lost
		if misses(one) {
			trouble++
		}
	}
	fmt.Fprintf(b, "coverage: %s of %s stored, %s lost, %s not arrived; %s of %s miss something (see the coverage of each)\n",
		Count(sum.Stored), plural(int(sum.Expected), "window"), Count(sum.Lost), Count(max(0, sum.Expected-sum.Stored-sum.Lost)),
		Count(int64(trouble)), plural(len(a.Services), "service"))
}

// misses says whether something is missing from a service that is no part of ordinary
// running, as a window is that has not arrived yet.
func misses(one api.Service) bool {
	tooLarge := slices.ContainsFunc(one.Notices, func(l api.Loss) bool { return l.Reason == profile.SumTooLarge })
	alarming := func(l api.Loss) bool { return !l.Routine }
	return one.Windows.Lost > 0 || tooLarge || slices.ContainsFunc(one.Losses, alarming) || slices.ContainsFunc(one.NotCaptured, alarming)
}

func serviceRow(one api.Service, fleet totals, p Price) []cell {
	alloc := typeOf(one, profile.Alloc)
	var windowTint colour
	if one.Windows.Stored < one.Windows.Expected {
		windowTint = yellow
	}
	row := []cell{
		plain(one.Namespace), plain(one.Service), plain(rate(profile.CPU, typeOf(one, profile.CPU))), plain(share(typeOf(one, profile.CPU), fleet.cores*float64(time.Second))),
		plain(rate(profile.Alloc, alloc)), plain(share(alloc, fleet.alloc)),
		plain(states(one.Targets)), tinted(windowTint, fmt.Sprintf("%d/%d", one.Windows.Stored, one.Windows.Expected)), plain(few(one.Versions)),
	}
	if p.PerCoreHour > 0 {
		row = slices.Insert(row, 4, plain(p.month(cores(one))))
	}
	return row
}

// totals are sums over all services.
type totals struct{ cores, alloc float64 }

func fleetOf(a *api.Services) totals {
	var out totals
	for _, one := range a.Services {
		out.cores += cores(one)
		out.alloc += value(typeOf(one, profile.Alloc))
	}
	return out
}

// cores is how many CPUs a service takes, all its targets together.
func cores(s api.Service) float64 { return value(typeOf(s, profile.CPU)) / float64(time.Second) }

func typeOf(s api.Service, t profile.Type) *float64 {
	for _, one := range s.Types {
		if one.Type == t {
			return one.PerSecond
		}
	}
	return nil
}

func value(v *float64) float64 {
	if v == nil {
		return 0
	}
	return *v
}

// share is of a part that may not be known.
func share(part *float64, whole float64) string {
	if part == nil {
		return "-"
	}
	return percent(*part, whole)
}

func states(by map[string]int) string {
	var parts []string
	for _, state := range slices.Sorted(maps.Keys(by)) {
		parts = append(parts, fmt.Sprintf("%d %s", by[state], state))
	}
	return cmp.Or(strings.Join(parts, ", "), "-")
}

// few are the last names of a list.
func few(names []string) string {
	const most = 3
	if n := len(names) - most; n > 0 {
		return strings.Join(names[n:], ", ") + fmt.Sprintf(" and %d before", n)
	}
	return cmp.Or(strings.Join(names, ", "), "-")
}

// Price is what CPUs cost.
type Price struct {
	PerCoreHour float64
	Currency    string // put before an amount
}

// hoursOfMonth is a year's, divided by twelve.
const hoursOfMonth = 730

func (p Price) month(cores float64) string { return p.say(cores * p.PerCoreHour * hoursOfMonth) }

func (p Price) say(amount float64) string {
	if amount != 0 && amount < 0.1 {
		return fmt.Sprintf("%s%.4f", p.Currency, amount)
	}
	return fmt.Sprintf("%s%.2f", p.Currency, amount)
}

// Targets is the table of targets, those in trouble first, each with its reason.
func Targets(a *api.Targets, now time.Time, limit int, s Style) string {
	var b strings.Builder
	list := slices.Clone(a.Targets)
	slices.SortStableFunc(list, func(x, y api.Target) int { return cmp.Compare(rank(x), rank(y)) })
	counts := map[string]int{}
	for _, t := range list {
		counts[stateOf(t)]++
	}
	fmt.Fprintf(&b, "%s: %s\n", s.in(bold, plural(len(list), "target")), states(counts))
	t := table{header: []string{"STATE", "NAMESPACE", "POD", "CONTAINER", "VERSION", "LAST WINDOW", "SPOOL", "REASON"}}
	for _, one := range list[:min(len(list), limit)] {
		t.add(targetRow(one, now)...)
	}
	t.write(&b, s)
	if n := len(list) - limit; n > 0 {
		fmt.Fprintf(&b, "omitted: %s (in less trouble)\n", plural(n, "target"))
	}
	remedies(&b, s, list[:min(len(list), limit)])
	if a.Truncated {
		b.WriteString(s.in(yellow, "there are more targets than are listed") + "\n")
	}
	b.WriteString("coverage: what sidecars reported in the time that is kept; a pod without a sidecar is not among them (see webhook check)\n")
	return b.String()
}

func targetRow(t api.Target, now time.Time) []cell {
	last := "never"
	if t.State.LastWindowEnd != nil {
		last = ago(max(now.Sub(*t.State.LastWindowEnd), 0)) // that of a JVM which has ended ends where windows do
	}
	spool := "-"
	if t.Spool.Windows > 0 {
		spool = fmt.Sprintf("%d, %s old", t.Spool.Windows, (time.Duration(t.Spool.OldestSeconds) * time.Second).String())
	}
	why := "-"
	if t.Reason != nil {
		why = string(t.State.Reason) + ": " + t.Reason.Text
		if t.State.Detail != "" {
			why += " (" + t.State.Detail + ")"
		}
	}
	return []cell{
		tinted(stateColour(t), stateOf(t)), plain(t.Identity.Namespace), plain(t.Identity.Pod), plain(t.Identity.Container), plain(cmp.Or(t.Identity.Version, "-")),
		plain(last), plain(spool), plain(why),
	}
}

// remedies say once for each reason what to do.
func remedies(b *strings.Builder, s Style, list []api.Target) {
	said := map[profile.Reason]bool{}
	for _, t := range list {
		if t.Reason == nil || t.Reason.Remedy == "" || said[t.State.Reason] || len(said) == mostReasons {
			continue
		}
		said[t.State.Reason] = true
		fmt.Fprintf(b, "  %s: %s\n", s.in(yellow, Clean(string(t.State.Reason))), Clean(t.Reason.Remedy))
	}
}

func stateOf(t api.Target) string {
	if t.Silent {
		return api.Silent
	}
	return string(t.State.State)
}

func rank(t api.Target) int {
	order := []string{string(profile.StateFailed), string(profile.StateConflict), api.Silent, string(profile.StateSkipped),
		string(profile.StateWaiting), string(profile.StateProfiled), string(profile.StateGone)}
	return slices.Index(order, stateOf(t))
}

func stateColour(t api.Target) colour {
	switch stateOf(t) {
	case string(profile.StateProfiled):
		return green
	case string(profile.StateFailed), string(profile.StateConflict), api.Silent:
		return red
	case string(profile.StateGone):
		return faint
	}
	return yellow
}

func ago(d time.Duration) string { return d.Truncate(time.Second).String() + " ago" }

// Health says how ingest and store are.
func Health(a *api.IngestHealth, s Style) string {
	var b strings.Builder
	if a.Store.Available {
		fmt.Fprintf(&b, "store: %s, %s ClickHouse %s\n", s.in(green, "available"), a.Store.Mode, Clean(a.Store.Version))
	} else {
		text := profile.Explain(a.Store.Reason)
		fmt.Fprintf(&b, "store: %s, %s ClickHouse: %s (%s)\n  %s\n", s.in(red, "unavailable"), a.Store.Mode, Clean(text.Text), Clean(a.Store.Message), Clean(text.Remedy))
	}
	if e := a.Store.Ended; e != nil {
		fmt.Fprintf(&b, "%s by itself and was started again: %s times, last %s, by %s\n", s.in(yellow, "ended"), Count(e.Count), e.Last.UTC().Format("2006-01-02 15:04:05Z"), Clean(e.How))
	}
	fmt.Fprintf(&b, "disk: %s used, %s free, %s\n", Bytes(float64(a.Store.DiskUsedBytes)), Bytes(float64(a.Store.DiskFreeBytes)), plural(int(a.Store.ActiveParts), "active part"))
	fmt.Fprintf(&b, "inserts: p50 %.0f ms, p99 %.0f ms\n", a.Store.InsertP50MS, a.Store.InsertP99MS)
	fmt.Fprintf(&b, "uploads in progress: %s of %s\n", Bytes(float64(a.BytesInFlight)), Bytes(float64(a.BytesInFlightLimit)))
	fmt.Fprintf(&b, "since %s, in this backend: %s accepted, %s sent again\n", a.Since.UTC().Format("2006-01-02 15:04:05Z"),
		plural(int(a.Accepted), "window"), Count(a.Duplicates))
	reasonCounts(&b, s, "told to come again", yellow, a.Retryable)
	reasonCounts(&b, s, "rejected", red, a.Rejected)
	for _, r := range a.Refusals[:min(len(a.Refusals), mostReasons)] {
		fmt.Fprintf(&b, "  from %s: %s, %s times: %s\n", Clean(cmp.Or(strings.Trim(r.Namespace+"/"+r.Pod, "/"), r.Address)), s.in(red, Clean(string(r.Reason))), Count(r.Count), Clean(r.Message))
	}
	if n := len(a.Refusals) - mostReasons; n > 0 {
		fmt.Fprintf(&b, "  and %s more\n", plural(n, "sender"))
	}
	if len(a.Losses) == 0 {
		b.WriteString("coverage: nothing was lost in windows of the last hour\n")
		return b.String()
	}
	b.WriteString("coverage: lost in windows of the last hour:\n")
	told(&b, s, api.Told{Losses: a.Losses}, profile.CPU)
	return b.String()
}

func reasonCounts(b *strings.Builder, s Style, what string, c colour, list []api.ReasonCount) {
	for _, r := range list {
		if r.Count > 0 {
			fmt.Fprintf(b, "  %s: %s %s: %s. %s\n", s.in(c, what), Count(r.Count), Clean(string(r.Reason)), Clean(strings.TrimSuffix(r.Text, ".")), Clean(r.Remedy))
		}
	}
}
