package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

const (
	// sweepEvery is how often samples are looked for that no header names, and
	// how long they must have been so before they are removed: longer than any
	// insert can be under way.
	sweepEvery = time.Hour
	// sweepAfter is how long after its beginning a commit id is looked at.
	sweepAfter = 2*commitIDAge + time.Hour
	// sweepBack is how far back a backend looks that has just started, and
	// sweepLate how old a window may be at its commit. Strays that are missed are
	// in no answer, and go when the day does.
	sweepBack = 24 * time.Hour
	sweepLate = 48 * time.Hour
	// maxStrays bounds what one sweep removes.
	maxStrays = 1000
)

// stray are samples of a window under a commit id that its header does not name.
type stray struct {
	slot
	of string // type
	id uint64
}

type strayRow struct {
	Series uint64 `ch:"series_id"`
	Start  int64  `ch:"start"`
	Type   string `ch:"type"`
	ID     uint64 `ch:"commit_id"`
}

// sweep looks once at the samples of each commit id, and once more at the strays
// among them.
type sweep struct {
	upto     time.Time // ids that began before have been looked at
	suspects []stray
	since    time.Time // when they were found
}

// sweepDue removes the suspects of the last sweep that still are strays, and looks
// for new ones. It returns how many it removed.
func (s *Store) sweepDue(ctx context.Context, now time.Time) (removed int, err error) {
	w := &s.sweep
	if len(w.suspects) > 0 && now.Sub(w.since) < sweepEvery {
		return 0, nil
	}
	if len(w.suspects) > 0 {
		still, err := s.strays(ctx, idsOf(w.suspects), w.suspects[0].id, w.suspects[len(w.suspects)-1].id+1)
		if err != nil {
			return 0, err
		}
		certain := both(w.suspects, still)
		if err := s.remove(ctx, certain); err != nil {
			return 0, err
		}
		removed, w.suspects = len(certain), nil
		s.metrics.strays.Add(float64(removed))
	}
	end := now.Add(-sweepAfter)
	if oldest := end.Add(-sweepBack); w.upto.Before(oldest) {
		w.upto = oldest
	}
	for w.upto.Before(end) && len(w.suspects) == 0 {
		next := minTime(w.upto.Add(commitIDAge), end)
		if w.suspects, err = s.strays(ctx, "", commitIDFrom(w.upto), commitIDFrom(next)); err != nil {
			return removed, err
		}
		w.since = now
		if len(w.suspects) < maxStrays { // else there may be more
			w.upto = next
		}
	}
	return removed, nil
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// idsOf is the condition that a commit id is one of those of strays.
func idsOf(list []stray) string {
	var ids []string
	seen := map[uint64]bool{}
	for _, one := range list {
		if !seen[one.id] {
			seen[one.id] = true
			ids = append(ids, fmt.Sprint(one.id))
		}
	}
	return " AND commit_id IN (" + strings.Join(ids, ", ") + ")"
}

// both returns what is in both lists.
func both(a, b []stray) (out []stray) {
	in := map[stray]bool{}
	for _, one := range a {
		in[one] = true
	}
	for _, one := range b {
		if in[one] {
			out = append(out, one)
		}
	}
	return out
}

// strays returns samples of commit ids in [from, to) that no header names, by id.
func (s *Store) strays(ctx context.Context, narrow string, from, to uint64) (list []stray, err error) {
	ids := fmt.Sprintf("commit_id >= %d AND commit_id < %d%s", from, to, narrow)
	since := startsIn("window_start", seconds{max(int64(from>>32)-int64(sweepLate/time.Second), 0), maxTime})
	statement := fmt.Sprintf(`SELECT series_id, toInt64(toUnixTimestamp(window_start)) AS start, type, commit_id FROM @(
  SELECT series_id, window_start, type, commit_id FROM @.samples
  WHERE %s AND %s AND (service, namespace, cluster, series_id, window_start, type, commit_id) NOT IN (
    SELECT service, namespace, cluster, series_id, window_start, type, commit_id FROM @.profiles FINAL WHERE %s AND %s)
) GROUP BY series_id, window_start, type, commit_id ORDER BY commit_id LIMIT %d`, ids, since, ids, since, maxStrays)
	var found []stray // not a result: a read that was given up may still write it
	_, err = s.reading(own(ctx), "look for samples without a header", func(ctx context.Context, r *read) error {
		return rowsOf(ctx, r, statement, nil, func(one *strayRow) error {
			found = append(found, stray{slot{one.Series, one.Start}, one.Type, one.ID})
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// remove deletes the samples of strays.
func (s *Store) remove(ctx context.Context, list []stray) error {
	if len(list) == 0 {
		return nil
	}
	tuples := make([]string, len(list))
	for i, one := range list {
		tuples[i] = fmt.Sprintf("(%d,toDateTime(%d,'UTC'),'%s',%d)", one.series, one.start, one.of, one.id)
	}
	statement := "DELETE FROM " + s.cluster.altered("samples") + " WHERE (series_id, window_start, type, commit_id) IN (" + strings.Join(tuples, ",") + ")" + idsOf(list)
	err := s.bounded(ctx, rollupTimeout, func(ctx context.Context) error {
		return s.conn.Exec(clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
			"max_execution_time": int(rollupTimeout.Seconds()), "max_query_size": 1 << 20,
		})), s.sql(statement))
	})
	return classify("remove samples without a header", writing, err)
}

func (s *Store) sweepLogged(ctx context.Context) {
	removed, err := s.sweepDue(ctx, time.Now())
	if err != nil && ctx.Err() == nil {
		s.log.Warn("samples without a header were not looked for and are the next time", "error", err)
		return
	}
	if removed > 0 {
		s.log.Info("samples without a header removed; they were in no answer", "windows", removed)
	}
}
