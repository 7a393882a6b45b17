package store

import (
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/podflame/podflame/backend/profile"
)

// check refuses what is not scoped.
func (sel *Selection) check(op string, s *Store) error {
	err := s.checkRange(op, sel.Range)
	if err != nil {
		return err
	}
	switch _, typeErr := profile.ParseType(string(sel.Type)); {
	case sel.Service == "":
		err = fmt.Errorf("no service is named")
	case typeErr != nil:
		err = typeErr
	case len(sel.Threads)+len(sel.NotThreads) > MaxSelected:
		err = fmt.Errorf("%d thread groups are named, at most %d may be", len(sel.Threads)+len(sel.NotThreads), MaxSelected)
	case len(sel.Series) > MaxSelected:
		err = fmt.Errorf("%d targets are selected, at most %d may be", len(sel.Series), MaxSelected)
	default:
		for _, n := range sel.narrowing() {
			if len(n.names) > MaxSelected {
				err = fmt.Errorf("%d %ss are selected, at most %d may be", len(n.names), n.column, MaxSelected)
			}
		}
		if err == nil {
			return nil
		}
	}
	return &Error{Class: BadSelection, Op: op, Err: err}
}

func (s *Store) checkRange(op string, r Range) error {
	var err error
	// A day more than the retention, as partitions are dropped whole.
	switch longest := s.Retention() + 24*time.Hour; {
	case !r.From.Before(r.To):
		err = fmt.Errorf("range from %s to %s is empty or reversed", r.From, r.To)
	case r.From.Unix() < 0 || r.To.Unix() > maxTime:
		err = fmt.Errorf("range from %s to %s is not within 1970 to 2106", r.From, r.To)
	case r.To.Sub(r.From) > longest:
		err = fmt.Errorf("range of %s is longer than %s, which is what is kept", r.To.Sub(r.From), longest)
	default:
		return nil
	}
	return &Error{Class: BadSelection, Op: op, Err: err}
}

// seconds returns the range in Unix seconds. Windows start at whole seconds, so
// rounding up changes nothing.
func (r Range) seconds() (from, to int64) { return ceilSecond(r.From), ceilSecond(r.To) }

func ceilSecond(t time.Time) int64 {
	if t.Nanosecond() > 0 {
		return t.Unix() + 1
	}
	return t.Unix()
}

// seconds is [from, to) in Unix seconds.
type seconds struct{ from, to int64 }

// samplesIn is the condition on table samples. The one on the quarter of an hour
// is there because only that expression is in the key: without it the whole
// history of the service is read.
func samplesIn(r seconds) string {
	return fmt.Sprintf(`(window_start >= toDateTime(%d, 'UTC') AND window_start < toDateTime(%d, 'UTC')
 AND toStartOfFifteenMinutes(window_start) >= toStartOfFifteenMinutes(toDateTime(%d, 'UTC'))
 AND toStartOfFifteenMinutes(window_start) <= toStartOfFifteenMinutes(toDateTime(%d, 'UTC')))`, r.from, r.to, r.from, r.to-1)
}

// startsIn is the condition on a time column that is in the key itself.
func startsIn(column string, r seconds) string {
	return fmt.Sprintf("%s >= toDateTime(%d, 'UTC') AND %s < toDateTime(%d, 'UTC')", column, r.from, column, r.to)
}

// scoped is the condition on the leading columns of all keys.
const scoped = "service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String}"

func (k ServiceKey) params() params {
	return params{
		clickhouse.Named("service", k.Service), clickhouse.Named("namespace", k.Namespace), clickhouse.Named("cluster", k.Cluster),
	}
}

// rolledUp says that the roll-up can answer: it tells versions apart, and neither
// targets nor threads.
func (sel *Selection) rolledUp() bool {
	return len(sel.Series)+len(sel.Pods)+len(sel.Containers)+len(sel.Nodes) == 0 && !sel.someThreads()
}

func (sel *Selection) someThreads() bool { return len(sel.Threads)+len(sel.NotThreads) > 0 }

// ofThreads is the condition on samples that they are of the chosen threads.
func (sel *Selection) ofThreads(p params) (string, params) {
	var all []string
	if len(sel.Threads) > 0 {
		all, p = append(all, "thread IN {threads:Array(String)}"), p.with("threads", sel.Threads)
	}
	if len(sel.NotThreads) > 0 {
		all, p = append(all, "thread NOT IN {not_threads:Array(String)}"), p.with("not_threads", sel.NotThreads)
	}
	return strings.Join(all, " AND "), p
}

// narrowing is a list of names that a column of profiles must be in.
type narrowing struct {
	column string
	names  []string
}

func (sel *Selection) narrowing() []narrowing {
	return []narrowing{{"version", sel.Versions}, {"pod", sel.Pods}, {"container", sel.Containers}, {"node", sel.Nodes}}
}

// targets is the condition on the columns of profiles that narrow, starting
// with AND; empty if nothing does.
func (sel *Selection) targets(p params) (string, params) {
	var b strings.Builder
	for _, n := range sel.narrowing() {
		if len(n.names) > 0 {
			fmt.Fprintf(&b, " AND %s IN {%ss:Array(String)}", n.column, n.column)
			p = p.with(n.column+"s", n.names)
		}
	}
	if len(sel.Series) > 0 {
		b.WriteString(" AND series_id IN {series:Array(UInt64)}")
		p = p.with("series", sel.Series)
	}
	return b.String(), p
}
