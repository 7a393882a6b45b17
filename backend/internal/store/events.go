package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/podflame/podflame/backend/profile"
)

const (
	flushEvery   = 10 * time.Second
	flushTimeout = 5 * time.Second
	// maxEvents bounds the counts that wait for ClickHouse, one per minute,
	// outcome and reason.
	maxEvents = 10_000
	// maxOfEvents is where a count that uploads say stays, so that ClickHouse can add
	// those of a minute.
	maxOfEvents = 1 << 53
)

type eventKey struct {
	minute  int64 // Unix seconds
	outcome EventOutcome
	reason  profile.Reason
}

// eventBuffer sums up events until they are written.
type eventBuffer struct {
	mu      sync.Mutex
	waiting map[eventKey]Event
	// flush serialises writers. What was sent with an unknown outcome is sent
	// again as it was, under the same token.
	flush sync.Mutex
	sent  []eventKey
	sums  map[eventKey]Event
	token string
}

func newEventBuffer() *eventBuffer { return &eventBuffer{waiting: map[eventKey]Event{}} }

// Record counts events of ingest; Run writes the sums, also while ClickHouse
// is away for a while. It never blocks for long.
func (s *Store) Record(e Event) {
	key := eventKey{time.Now().Unix() / 60 * 60, e.Outcome, e.Reason}
	b := s.events
	b.mu.Lock()
	defer b.mu.Unlock()
	all, ok := b.waiting[key]
	if !ok && len(b.waiting) >= maxEvents {
		s.metrics.eventsLost.Inc()
		return
	}
	all.Outcome, all.Reason = e.Outcome, e.Reason
	all.Windows, all.Bytes, all.Samples = addEvents(all.Windows, e.Windows), addEvents(all.Bytes, e.Bytes), addEvents(all.Samples, e.Samples)
	b.waiting[key] = all
}

func addEvents(a, b int64) int64 { return min(sum(a, b), maxOfEvents) }

// take moves what waits into the next batch, unless one is still to be sent.
func (b *eventBuffer) take() bool {
	if len(b.sent) > 0 {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sums, b.waiting = b.waiting, map[eventKey]Event{}
	b.sent = slices.SortedFunc(maps.Keys(b.sums), func(x, y eventKey) int {
		return strings.Compare(fmt.Sprint(x), fmt.Sprint(y))
	})
	b.token = rand.Text()
	return len(b.sent) > 0
}

// columns are the batch to be sent, in the order of the statement.
func (b *eventBuffer) columns() []any {
	var times []time.Time
	var outcomes, reasons []string
	var windows, bytes, samples []int64
	for _, key := range b.sent {
		sum := b.sums[key]
		times = append(times, time.Unix(key.minute, 0))
		outcomes, reasons = append(outcomes, string(key.outcome)), append(reasons, string(key.reason))
		windows, bytes, samples = append(windows, sum.Windows), append(bytes, sum.Bytes), append(samples, sum.Samples)
	}
	return []any{times, outcomes, reasons, windows, bytes, samples}
}

// flushEvents writes what was recorded.
func (s *Store) flushEvents(ctx context.Context) error {
	b := s.events
	b.flush.Lock()
	defer b.flush.Unlock()
	if !b.take() {
		return nil
	}
	columns, token := b.columns(), b.token
	err := s.bounded(ctx, flushTimeout, func(ctx context.Context) error {
		return s.send(ctx, "INSERT INTO @.ingest_events (time, outcome, reason, windows, bytes, samples)",
			clickhouse.Settings{"insert_deduplicate": 1, "insert_deduplication_token": token}, columns...)
	})
	if err != nil {
		return classify("write ingest events", writing, err)
	}
	b.sent, b.sums = nil, nil
	return nil
}

func (s *Store) flushLogged(ctx context.Context) {
	if err := s.flushEvents(ctx); err != nil && ctx.Err() == nil {
		s.log.Warn("ingest events are not written yet and are tried again", "error", err)
	}
}

// eventRow is what was recorded of an outcome and reason in a step.
type eventRow struct {
	Cell    int64  `ch:"cell"`
	Outcome string `ch:"outcome"`
	Reason  string `ch:"reason"`
	Windows int64  `ch:"w"`
	Bytes   int64  `ch:"b"`
	Samples int64  `ch:"s"`
}

// Events returns the recorded events of a range by step, outcome and reason.
func (s *Store) Events(ctx context.Context, r Range, step time.Duration) ([]EventCell, Cost, error) {
	const op = "read ingest events"
	if err := s.checkSteps(op, r, step); err != nil {
		return nil, Cost{}, err
	}
	from, to := r.seconds()
	length := int64(step / time.Second)
	var out []EventCell
	cost, err := s.reading(ctx, op, func(ctx context.Context, rd *read) error {
		most := func(column string) string { // what an upload says stays at the largest number
			return "toInt64(least(sum(toInt128(" + column + ")), 9223372036854775807))"
		}
		statement := fmt.Sprintf(`SELECT intDiv(toUnixTimestamp(time) - %d, %d) AS cell, outcome, reason, %s AS w, %s AS b, %s AS s
FROM @.ingest_events WHERE %s GROUP BY cell, outcome, reason ORDER BY cell, outcome, reason`,
			from, length, most("windows"), most("bytes"), most("samples"), startsIn("time", seconds{from, to}))
		return rowsOf(ctx, rd, statement, nil, func(one *eventRow) error {
			out = append(out, EventCell{Start: time.Unix(from+one.Cell*length, 0).UTC(), Event: Event{
				Outcome: EventOutcome(one.Outcome), Reason: profile.Reason(one.Reason), Windows: one.Windows, Bytes: one.Bytes, Samples: one.Samples,
			}})
			return nil
		})
	})
	if err != nil {
		return nil, cost, err
	}
	return out, cost, nil
}

// checkSteps refuses a range that has no, or too many, steps.
func (s *Store) checkSteps(op string, r Range, step time.Duration) error {
	if err := s.checkRange(op, r); err != nil {
		return err
	}
	var err error
	switch {
	case step < time.Second || step%time.Second != 0:
		err = fmt.Errorf("step %s is not a positive number of whole seconds", step)
	case r.To.Sub(r.From) > step*time.Duration(s.limits.Cells):
		err = fmt.Errorf("range of %s has more than %d steps of %s", r.To.Sub(r.From), s.limits.Cells, step)
	default:
		return nil
	}
	return &Error{Class: BadSelection, Op: op, Err: err}
}
