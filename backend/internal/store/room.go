package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/podflame/podflame/backend/profile"
)

const (
	// roomEvery is how often it is looked whether there is room.
	roomEvery = 15 * time.Second
	// giveUpAfter is how long a day must be over before its samples may be given
	// up: as long as sidecars keep windows that they could not send.
	giveUpAfter = 6 * time.Hour
	// freedAfter is how long ClickHouse may take to remove the files of a day.
	freedAfter = 2 * time.Minute
)

// Room is how much is stored and how much may be.
type Room struct {
	Used  uint64 // bytes of all tables on disk
	Limit uint64 // Config.RetentionBytes; 0 if there is none
	Free  uint64 // bytes on the disk of ClickHouse
	Total uint64
	// GivenUp are days whose samples were removed to make room, the latest first.
	GivenUp []GivenUpDay
}

// GivenUpDay is a day whose samples were removed before their time.
type GivenUpDay struct {
	Day   time.Time
	Bytes uint64 // that it took
	Why   Shortage
	At    time.Time
}

// Shortage is why there is no room.
type Shortage string

// The shortages.
const (
	NoShortage Shortage = ""
	OverLimit  Shortage = "limit"    // more than Config.RetentionBytes is used
	LowDisk    Shortage = "low_disk" // less than Config.LowDisk is free
)

// Full says that ClickHouse takes no windows, so that it can still merge.
func (r *Room) Full() bool { return r.Total > 0 && r.Free < keepFree }

// shortage says whether a day must go.
func (r *Room) shortage(low uint64) Shortage {
	switch {
	case r.Limit > 0 && r.Used > r.Limit:
		return OverLimit
	case r.Total > 0 && r.Free < low:
		return LowDisk
	}
	return NoShortage
}

// freeing says that files of a day that was given up, by whichever backend, may still
// be on the disk.
func (r *Room) freeing(now time.Time) bool {
	return slices.ContainsFunc(r.GivenUp, func(d GivenUpDay) bool { return now.Sub(d.At) < freedAfter })
}

// room is the latest that is known of the room.
type room struct {
	mu     sync.Mutex
	latest Room
}

func (r *room) get() Room {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.latest
}

func (r *room) set(latest Room) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.latest = latest
}

// makeRoom looks how much room there is and, if it is short, gives up the samples
// of the oldest day. It returns the day; zero if there was no need.
func (s *Store) makeRoom(ctx context.Context, now time.Time) (gone GivenUpDay, err error) {
	var have Room
	var oldest []dayBytes
	_, err = s.reading(own(ctx), "look for room on the disk", func(ctx context.Context, r *read) (err error) {
		if have, err = r.room(ctx); err == nil {
			oldest, err = r.dayBytes(ctx)
		}
		return err
	})
	if err != nil {
		return gone, err
	}
	s.room.set(have)
	why := have.shortage(s.lowDisk)
	if why == NoShortage || why == LowDisk && have.freeing(now) {
		return gone, nil
	}
	if len(oldest) == 0 || now.Before(oldest[0].day.Add(24*time.Hour+giveUpAfter)) {
		return gone, fmt.Errorf("%d bytes are used (limit %d, 0 for none) and %d free on the disk (limit %d), and no day is old enough to be given up: give ClickHouse a larger disk, or profile fewer pods",
			have.Used, have.Limit, have.Free, s.lowDisk)
	}
	gone = GivenUpDay{Day: oldest[0].day, Bytes: oldest[0].bytes, Why: why, At: now}
	if err := s.bounded(ctx, rollupTimeout, func(ctx context.Context) error { return s.giveUp(ctx, gone) }); err != nil {
		return GivenUpDay{}, classify("give up the samples of "+gone.Day.Format(time.DateOnly), writing, err)
	}
	s.metrics.daysGivenUp.Inc()
	return gone, nil
}

// bulky are the tables that a day is taken out of, in this order. The headers
// stay: they say what there was.
func bulky() []string {
	return []string{"samples", "rolled_hours", "samples_1h_by_version", "stacks", "functions"}
}

// giveUp enters what windows of a day stored as dropped, then removes the samples.
// It may be repeated, and may run in many backends.
func (s *Store) giveUp(ctx context.Context, d GivenUpDay) error {
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"max_memory_usage": s.limits.QueryMemory, "max_execution_time": int(rollupTimeout.Seconds()), "max_threads": 1, "async_insert": 0,
	}))
	for hour := range int64(24) {
		from := d.Day.Unix() + hour*3600
		if err := s.conn.Exec(ctx, s.sql(enterAsDropped(seconds{from, from + 3600}))); err != nil {
			return fmt.Errorf("enter samples as dropped: %w", err)
		}
	}
	for _, table := range bulky() {
		if err := s.conn.Exec(ctx, s.sql(fmt.Sprintf("ALTER TABLE %s DROP PARTITION '%s'", s.cluster.altered(table), d.Day.Format(time.DateOnly)))); err != nil {
			return fmt.Errorf("remove the day from %s: %w", table, err)
		}
	}
	// Hours without samples need no roll-up.
	noted := fmt.Sprintf(`INSERT INTO @.rolled_hours (cluster, namespace, service, hour, rolled_at)
SELECT DISTINCT cluster, namespace, service, toStartOfHour(window_start), now64(3) + toIntervalMillisecond(%d) FROM @.profiles WHERE type = '' AND %s`,
		s.skew.Milliseconds()+1, startsIn("window_start", seconds{d.Day.Unix(), d.Day.Unix() + 86400}))
	if err := s.conn.Exec(ctx, s.sql(noted)); err != nil {
		return fmt.Errorf("note hours without samples: %w", err)
	}
	told := fmt.Sprintf("INSERT INTO @.given_up_days (day, bytes, why, at) SELECT '%s', %d, '%s', now64(3)", d.Day.Format(time.DateOnly), d.Bytes, d.Why)
	if err := s.conn.Exec(ctx, s.sql(told)); err != nil {
		return fmt.Errorf("note the day: %w", err)
	}
	return nil
}

// noCommit is an id that no samples have, in headers of windows whose samples are
// gone.
const noCommit = 1

// enterAsDropped replaces the headers of what a span stored.
func enterAsDropped(span seconds) string {
	// p. is the column and not what takes its place.
	return fmt.Sprintf(`INSERT INTO @.profiles SELECT * REPLACE (
  arrayPushBack(p.loss_outcome, %d) AS loss_outcome, arrayPushBack(p.loss_reason, '%s') AS loss_reason,
  arrayPushBack(p.loss_value, p.stored_value) AS loss_value, arrayPushBack(p.loss_count, p.stored_count) AS loss_count,
  arrayPushBack(p.loss_duration_ns, 0) AS loss_duration_ns, arrayPushBack(p.loss_bytes, 0) AS loss_bytes,
  0 AS stored_value, 0 AS stored_count, 0 AS stacks, %d AS commit_id, now64(3) AS received_at)
FROM @.profiles AS p FINAL WHERE p.type != '' AND (p.stored_value != 0 OR p.stored_count != 0) AND %s`,
		profile.Dropped, profile.StoreFull, noCommit, startsIn("p.window_start", span))
}

func (r *read) room(ctx context.Context) (have Room, err error) {
	have.Limit = r.store.maxBytes
	err = r.query(ctx, "SELECT sum(bytes_on_disk) FROM "+r.store.partsOf(), nil,
		func(row driver.Rows) error { return row.Scan(&have.Used) })
	if err != nil {
		return have, err
	}
	// Of several disks the roomiest: tables are moved there. Of several shards the
	// one with the least room.
	err = r.query(ctx, fmt.Sprintf(`SELECT min(free), argMin(total, free) FROM @(SELECT max(free_space) AS free, max(total_space) AS total FROM system.disks WHERE name IN (
  SELECT arrayJoin(disks) FROM system.storage_policies WHERE policy_name IN (SELECT storage_policy FROM system.tables WHERE database = '%s')))`, r.store.cluster.own), nil,
		func(row driver.Rows) error { return row.Scan(&have.Free, &have.Total) })
	if err != nil {
		return have, err
	}
	err = rowsOf(ctx, r, "SELECT day, bytes, toString(why) AS shortage, at FROM @.given_up_days FINAL ORDER BY day DESC", nil, func(one *givenUpRow) error {
		have.GivenUp = append(have.GivenUp, GivenUpDay{Day: one.Day, Bytes: one.Bytes, Why: Shortage(one.Shortage), At: one.At})
		return nil
	})
	return have, err
}

type givenUpRow struct {
	Day      time.Time `ch:"day"`
	Bytes    uint64    `ch:"bytes"`
	Shortage string    `ch:"shortage"`
	At       time.Time `ch:"at"`
}

type dayBytes struct {
	day   time.Time
	bytes uint64
}

// dayBytes are the days that have samples, the oldest first, with what they take.
func (r *read) dayBytes(ctx context.Context) (list []dayBytes, err error) {
	err = r.query(ctx, `SELECT toDate(partition), sum(bytes_on_disk) FROM `+r.store.partsOf(bulky()...)+`
GROUP BY partition HAVING countIf(table = 'samples') > 0 ORDER BY partition`, nil, func(row driver.Rows) error {
		var d dayBytes
		err := row.Scan(&d.day, &d.bytes)
		list = append(list, d)
		return err
	})
	return list, err
}

func (s *Store) makeRoomLogged(ctx context.Context) {
	gone, err := s.makeRoom(ctx, time.Now())
	switch {
	case err != nil && ctx.Err() == nil && !errors.Is(err, context.Canceled):
		s.log.Warn("room on the disk of ClickHouse could not be made or looked for", "error", err)
	case gone.Why != NoShortage:
		s.log.Warn("the samples of the oldest day were given up to make room; coverage tells them as dropped",
			"day", gone.Day.Format(time.DateOnly), "bytes", gone.Bytes, "why", gone.Why, "reason", profile.StoreFull)
	}
}
