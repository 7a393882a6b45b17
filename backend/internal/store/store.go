package store

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/prometheus/client_golang/prometheus"
)

// Limits bound the work of the store. Zero fields get the value of
// DefaultLimits.
type Limits struct {
	InsertTimeout time.Duration // of one window, all tables
	QueryTimeout  time.Duration // of one read, all its queries
	QueryMemory   int64         // bytes in ClickHouse, per query
	QueryRows     int64         // rows that a query may read
	Stacks        int           // distinct stacks that Sums returns; lighter ones are Omitted
	CacheBytes    int64         // of decoded stacks and function names
	WrittenIDs    int           // ids remembered as written today
	Services      int           // that Services returns
	Targets       int           // that Targets returns
	Cells         int           // that Timeline and Events return
	Connections   int           // to ClickHouse
}

// DefaultLimits returns the limits of the design.
func DefaultLimits() Limits {
	return Limits{
		InsertTimeout: 8 * time.Second, // below the sidecar's 10 s, so that it hears why
		QueryTimeout:  10 * time.Second,
		QueryMemory:   250_000_000,
		QueryRows:     200_000_000,
		Stacks:        200_000,
		CacheBytes:    128 << 20,
		WrittenIDs:    2_000_000,
		Services:      5_000,
		Targets:       10_000,
		Cells:         2_000,
		Connections:   16,
	}
}

// Config says where ClickHouse is and how long data is kept.
type Config struct {
	// DSN is clickhouse://user:password@host:port[,host:port]/database?options.
	// Without a database it is podflame.
	DSN string
	// Dial replaces the dialing of the DSN's addresses; the embedded server
	// sets it, because its port changes when it is restarted.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
	// RetentionDays is 1 to 7.
	RetentionDays int
	// RollupEvery is how often closed hours are looked for; 0 means 5 minutes.
	RollupEvery time.Duration
	Limits      Limits
	Log         *slog.Logger          // nil discards
	Registry    prometheus.Registerer // nil registers nothing
}

// Store is safe for concurrent use.
type Store struct{}

var errNotYet = errors.New("not built yet")

// Open connects, without waiting for ClickHouse: call Migrate next, and again
// while it returns a retryable error.
func Open(cfg Config) (*Store, error) { return nil, errNotYet }

// Close releases all connections.
func (s *Store) Close() error { return errNotYet }

// Migrate creates or updates the tables. It may run in many backends at once
// and as often as wanted.
func (s *Store) Migrate(ctx context.Context) error { return errNotYet }

// Run rolls up closed hours and writes recorded events until ctx ends.
func (s *Store) Run(ctx context.Context) error { return errNotYet }

// Insert stores a window. When it returns nil, ClickHouse has the window
// exactly once. Any error is an *Error. The window must not be changed until
// Limits.InsertTimeout after the call, even if it returned an error before.
func (s *Store) Insert(ctx context.Context, w *profile.Window) (Result, error) {
	return Result{}, errNotYet
}

// PutTargets stores what a sidecar reported, replacing what was known.
func (s *Store) PutTargets(ctx context.Context, targets []TargetStatus) error { return errNotYet }

// Record counts events of ingest; Run writes the sums, also while ClickHouse
// is away for a while. It never blocks.
func (s *Store) Record(e Event) {}

// Services lists the services that sent windows in a range, and whether there
// are more than Limits.Services.
func (s *Store) Services(ctx context.Context, f ServiceFilter) (list []Service, truncated bool, cost Cost, err error) {
	return nil, false, Cost{}, errNotYet
}

// Targets lists what is known of targets, latest report first, and whether
// there are more than Limits.Targets.
func (s *Store) Targets(ctx context.Context, f TargetFilter) (list []TargetStatus, truncated bool, cost Cost, err error) {
	return nil, false, Cost{}, errNotYet
}

// Timeline returns a cell for each step of the range, also for empty ones.
func (s *Store) Timeline(ctx context.Context, sel Selection, step time.Duration) ([]Cell, Cost, error) {
	return nil, Cost{}, errNotYet
}

// Coverage sums up the ledgers of a selection.
func (s *Store) Coverage(ctx context.Context, sel Selection) (*Coverage, error) {
	return nil, errNotYet
}

// Sums merges the stacks of a selection. Hours that are closed and rolled up
// are read from the roll-up. Sums of a selection without samples are empty.
func (s *Store) Sums(ctx context.Context, sel Selection) (*Sums, error) { return nil, errNotYet }

// Name fills in the names of the functions with these indexes into
// sums.FunctionIDs, or of all of them if the list is nil. Functions that are no
// longer in the store are named "[unknown]".
func (s *Store) Name(ctx context.Context, sums *Sums, functions []uint32) error { return errNotYet }

// StackSet is Sums with all names: what Prune, Merge and Diff work on.
func (s *Store) StackSet(ctx context.Context, sel Selection) (*Sums, error) { return nil, errNotYet }

// Health asks ClickHouse how it is. It returns within Limits.QueryTimeout and
// has no error: being unreachable is a state.
func (s *Store) Health(ctx context.Context) Health { return Health{} }

// Events returns the recorded events of a range by step, outcome and reason.
func (s *Store) Events(ctx context.Context, r Range, step time.Duration) ([]EventCell, Cost, error) {
	return nil, Cost{}, errNotYet
}
