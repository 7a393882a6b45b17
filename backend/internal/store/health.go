package store

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// latency keeps the durations of the latest inserts.
type latency struct {
	mu         sync.Mutex
	last, mean time.Duration
}

// note enters an insert; the mean is over about the last ten.
func (l *latency) note(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = d
	if l.mean == 0 {
		l.mean = d
	}
	l.mean += (d - l.mean) / 10
}

func (l *latency) get() (last, mean time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last, l.mean
}

// Health asks ClickHouse how it is. It returns within Limits.QueryTimeout and a
// second, and has no error: being unreachable is a state, and so is being too busy
// for all figures.
func (s *Store) Health(ctx context.Context) Health {
	answers := make(chan Health, 2) // not shared with a read that was given up
	_, err := s.reading(own(ctx), "ask ClickHouse how it is", func(ctx context.Context, r *read) error {
		h := Health{Reachable: true}
		if err := r.versionOf(ctx, &h); err != nil {
			return err
		}
		answers <- h
		if err := r.health(ctx, &h); err != nil {
			return err
		}
		answers <- h
		return nil
	})
	var h Health
	for range len(answers) {
		h = <-answers
	}
	if err != nil {
		h.Error = err.Error()
	}
	if err := s.writable(&h.Room); err != nil {
		h.WriteError = err.Error()
	}
	h.Retention = s.Retention()
	h.LastInsert, h.MeanInsert = s.latency.get()
	return h
}

// writable returns why windows cannot be stored. That the disk is full is known
// without trying.
func (s *Store) writable(r *Room) error {
	if r.Full() {
		return fmt.Errorf("the disk of ClickHouse has %d bytes free, and it takes no windows below %d", r.Free, uint64(keepFree))
	}
	return s.writes.failing(time.Now())
}

// Ping asks whether ClickHouse answers and has the tables, and whether windows
// could be stored lately, for readiness. It reads nothing: with LIMIT 0 all rows
// would count as read.
func (s *Store) Ping(ctx context.Context) error {
	latest := s.room.get()
	if err := s.writable(&latest); err != nil {
		return &Error{Class: Unavailable, Op: "store windows", RetryAfter: soon, Err: err}
	}
	_, err := s.reading(own(ctx), "reach ClickHouse", func(ctx context.Context, r *read) error {
		return r.query(ctx, "SELECT 1 FROM @.profiles WHERE 0", nil, func(driver.Rows) error { return nil })
	})
	return err
}

func (r *read) versionOf(ctx context.Context, h *Health) error {
	return r.query(ctx, "SELECT version(), toUInt64(uptime())", nil, func(row driver.Rows) error {
		var seconds uint64
		err := row.Scan(&h.Version, &seconds)
		h.Uptime = time.Duration(seconds) * time.Second
		return err
	})
}

func (r *read) health(ctx context.Context, h *Health) error {
	err := rowsOf(ctx, r, `SELECT table, sum(rows) AS in_parts, count() AS parts, sum(bytes_on_disk) AS bytes FROM `+r.store.partsOf()+`
GROUP BY table ORDER BY table`, nil,
		func(t *TableHealth) error {
			h.Tables = append(h.Tables, *t)
			return nil
		})
	if err != nil {
		return err
	}
	if h.Room, err = r.room(ctx); err != nil {
		return err
	}
	err = r.query(ctx, "SELECT min(window_start) FROM @.profiles", nil, func(row driver.Rows) error {
		var oldest time.Time
		err := row.Scan(&oldest)
		h.Oldest = orZero(oldest)
		return err
	})
	if err != nil {
		return err
	}
	now := time.Now()
	dirty, err := r.dirtyHours(ctx, seconds{now.Add(-48*time.Hour).Unix() / 3600 * 3600, now.Add(-hourCloses).Unix() / 3600 * 3600}, 0)
	h.RollupBehind = int64(len(dirty))
	return err
}
