package store

import (
	"context"
	"database/sql/driver"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"reflect"
	"regexp"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/podflame/podflame/backend/internal/calltree"
	"github.com/podflame/podflame/backend/profile"
)

// Limits bound the work of the store. They count as they are: 0 is no default, and not
// "no limit"; none may be 0.
type Limits struct {
	InsertTimeout time.Duration // of one window or group of windows, all tables
	CommitDelay   time.Duration // from one group of windows to the next, unless it is full
	CommitRows    int           // samples of a group, and of one block
	CommitBytes   int           // of the frames of new stacks of a group
	CommitQueue   int           // windows that wait to be written
	Commits       int           // groups that are written at a time
	BlockBytes    int           // of frames or names in one block
	QueryTimeout  time.Duration // of one read, all its queries
	QueryMemory   int64         // bytes in ClickHouse, per query
	QueryRows     int64         // rows that a query may read
	Stacks        int           // distinct stacks that Sums returns; lighter ones are Omitted
	CacheBytes    int64         // of the call trees of all services, those in use included
	Loads         int           // reads of stacks into call trees at a time
	WrittenIDs    int           // ids remembered as written today
	BlockRows     int           // stacks that Blocks reads, once for each block
	Services      int           // that Services returns
	Targets       int           // that Targets returns
	Counted       int           // targets whose windows are counted for one answer
	Cells         int           // that Timeline and Events return
	Connections   int           // to ClickHouse
	Migration     time.Duration // of all tables, or one attempt at it
}

// DefaultLimits returns the limits of the design.
func DefaultLimits() Limits {
	return Limits{
		InsertTimeout: 6 * time.Second,        // with the wait of ingest below the sidecar's 10 s, so that it hears why
		CommitDelay:   800 * time.Millisecond, // samples, headers and new stacks make four inserts a second
		CommitRows:    100_000,
		CommitBytes:   32 << 20,
		CommitQueue:   2_000,
		Commits:       2,
		BlockBytes:    4 << 20,
		QueryTimeout:  10 * time.Second,
		QueryMemory:   250_000_000,
		QueryRows:     200_000_000,
		Stacks:        200_000,
		CacheBytes:    96 << 20,
		Loads:         2,
		WrittenIDs:    2_000_000,
		BlockRows:     1_000_000,
		Services:      5_000,
		Targets:       10_000,
		Counted:       100_000,
		Cells:         2_000,
		Connections:   16,
		Migration:     time.Minute,
	}
}

// Footprint is about what this process takes for the store at most: the call trees of
// services, stacks that are read into them (three blocks each: the one that is entered
// and two that are received), blocks that are written (rows, columns, and what is sent,
// which grows by copying), and ids.
func (l Limits) Footprint() int64 {
	deepest := 8 * int64(profile.DefaultDecodeLimits().MaxDepth)
	return l.CacheBytes + int64(l.Loads)*3*stacksInBlock*deepest + int64(l.Commits)*4*int64(l.BlockBytes) + int64(l.WrittenIDs)*keyBytes
}

// Config says where ClickHouse is and how long data is kept.
type Config struct {
	// DSN is clickhouse://user:password@host:port[,host:port]/database?options.
	// Without a database it is podflame.
	DSN string
	// Dial replaces the dialing of the DSN's addresses; the embedded server
	// sets it, because its port changes when it is restarted.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
	// Cluster is the name that ClickHouse has for servers that share the rows, as
	// shards and replicas; empty if the server of the DSN has all.
	Cluster string
	// RetentionDays is 1 to 7.
	RetentionDays int
	// RetentionBytes is how much all tables may take on disk before the samples of
	// the oldest day are given up, and LowDisk how little may be free; 0 for no limit.
	RetentionBytes, LowDisk uint64
	// RollupEvery is how often closed hours are looked for; 0 means 5 minutes.
	RollupEvery time.Duration
	// ClockSkew is how far the clocks of ClickHouse servers may be apart; 0 means
	// 5 s. The roll-up of an hour is used only if it is that much younger than
	// the last window of the hour.
	ClockSkew time.Duration
	// Unscoped lets reads whose context has no scope see every namespace. It is
	// for tests; where people read, such a read is refused.
	Unscoped bool
	Limits   Limits
	Log      *slog.Logger          // nil discards
	Registry prometheus.Registerer // nil registers nothing
}

// MaxRetentionDays bounds Config.RetentionDays.
const MaxRetentionDays = 7

// defaultDatabase is used if the DSN names none.
const defaultDatabase = "podflame"

// Store is safe for concurrent use.
type Store struct {
	conn     clickhouse.Conn
	migrates func() driver.Connector // what makes the connections of migrations
	cluster  cluster
	days     int
	every    time.Duration
	skew     time.Duration
	limits   Limits
	log      *slog.Logger
	metrics  *metrics
	written  *writtenIDs
	commits  *committer
	ids      commitIDs
	sweep    sweep // of Run
	setbacks setbacks
	trees    *calltree.Cache
	loads    *semaphore.Weighted
	events   *eventBuffer
	latency  latency
	writes   writes
	room     room
	maxBytes uint64
	lowDisk  uint64

	unscoped bool

	closing sync.Mutex
	closed  bool
	calls   sync.WaitGroup // operations that may still hold a connection
}

// Open connects, without waiting for ClickHouse: call Migrate next, and again
// while it returns a retryable error.
func Open(cfg Config) (*Store, error) {
	if cfg.RetentionDays < 1 || cfg.RetentionDays > MaxRetentionDays {
		return nil, fmt.Errorf("retention of %d days is not within 1 to %d", cfg.RetentionDays, MaxRetentionDays)
	}
	limits := cfg.Limits
	options, where, err := connection(cfg, limits)
	if err == nil {
		err = limits.check()
	}
	if err != nil {
		return nil, err
	}
	conn, err := clickhouse.Open(options())
	if err != nil {
		return nil, fmt.Errorf("open ClickHouse: %w", err)
	}
	s := &Store{
		conn: conn, migrates: func() driver.Connector { return clickhouse.Connector(options()) }, cluster: where, limits: limits,
		days: cfg.RetentionDays, every: cfg.RollupEvery, skew: cfg.ClockSkew, log: cfg.Log,
		metrics:  newMetrics(cfg.Registry),
		written:  newWrittenIDs(limits.WrittenIDs),
		unscoped: cfg.Unscoped,
		events:   newEventBuffer(),
		setbacks: setbacks{of: map[dirtyHour]setback{}},
		maxBytes: cfg.RetentionBytes, lowDisk: cfg.LowDisk,
	}
	orDefault(&s.every, 5*time.Minute)
	orDefault(&s.skew, 5*time.Second)
	orDefault(&s.log, slog.New(slog.DiscardHandler))
	s.commits = newCommitter(limits, s.metrics, s.writeGroup)
	s.trees, s.loads = calltree.NewCache(limits.CacheBytes, cfg.Registry), semaphore.NewWeighted(int64(limits.Loads))
	return s, nil
}

// Close writes the windows that wait, waits for operations that still hold a
// connection and releases all.
func (s *Store) Close() error {
	s.commits.close()
	s.closing.Lock()
	s.closed = true
	s.closing.Unlock()
	s.calls.Wait()
	return s.conn.Close()
}

// Retention is how long data is kept.
func (s *Store) Retention() time.Duration { return time.Duration(s.days) * 24 * time.Hour }

// connection returns a factory of options, as clickhouse-go keeps what it gets.
func connection(cfg Config, limits Limits) (options func() *clickhouse.Options, where cluster, err error) {
	parsed, err := clickhouse.ParseDSN(cfg.DSN)
	if err != nil {
		return nil, where, fmt.Errorf("read the DSN of ClickHouse: %w; it reads clickhouse://user:password@host:9000/database", err)
	}
	if parsed.Protocol != clickhouse.Native {
		return nil, where, fmt.Errorf("the DSN of ClickHouse has an HTTP scheme; Podflame needs the native protocol, clickhouse://host:9000")
	}
	database := parsed.Auth.Database
	orDefault(&database, defaultDatabase)
	if !identifier().MatchString(database) {
		return nil, where, fmt.Errorf("database %q in the DSN of ClickHouse is not a plain name of up to 64 letters, digits and _", database)
	}
	if where, err = newCluster(cfg.Cluster, database); err != nil {
		return nil, where, err
	}
	return func() *clickhouse.Options {
		o, _ := clickhouse.ParseDSN(cfg.DSN)
		o.Auth.Database = ""                               // it may not exist yet
		o.DialTimeout = max(o.DialTimeout, 10*time.Second) // also bounds the handshake; see Store.bounded
		o.ReadTimeout = rollupTimeout + time.Minute        // of a whole query; Store.bounded is what ends one
		if o.TLS == nil {
			o.DialContext = dialer(cfg.Dial, o.DialTimeout)
		}
		o.ConnMaxLifetime = 24 * time.Hour
		o.MaxOpenConns = limits.Connections
		o.MaxIdleConns = max(limits.Connections/2, 1)
		o.FreeBufOnConnRelease = true // else each connection keeps the largest block that it ever sent
		o.BlockBufferSize = 1         // blocks of an answer that are decoded ahead
		if o.Compression == nil {
			o.Compression = &clickhouse.Compression{Method: compression(cfg)}
		}
		o.ClientInfo.Products = append(o.ClientInfo.Products, struct{ Name, Version string }{"podflame", ""})
		if o.Settings == nil {
			o.Settings = clickhouse.Settings{}
		}
		maps.Copy(o.Settings, where.settings())
		return o
	}, where, nil
}

// compression is that of what is sent. To the server on this machine it would take more
// than it saves.
func compression(cfg Config) clickhouse.CompressionMethod {
	if cfg.Dial != nil {
		return clickhouse.CompressionNone
	}
	return clickhouse.CompressionLZ4
}

// dialer makes connections whose writes have a deadline: clickhouse-go gives
// them none while it sends a query.
func dialer(dial func(context.Context, string) (net.Conn, error), timeout time.Duration) func(context.Context, string) (net.Conn, error) {
	if dial == nil {
		d := &net.Dialer{Timeout: timeout}
		dial = func(ctx context.Context, addr string) (net.Conn, error) { return d.DialContext(ctx, "tcp", addr) }
	}
	return func(ctx context.Context, addr string) (net.Conn, error) {
		conn, err := dial(ctx, addr)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errNoConnection, err)
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			return writeBounded{tcp, timeout}, nil
		}
		return conn, nil
	}
}

// writeBounded is a connection each of whose writes ends within the timeout. It
// embeds the type and not the interface, as clickhouse-go asks for its file
// descriptor to check whether it is still open.
type writeBounded struct {
	*net.TCPConn
	timeout time.Duration
}

// Write implements io.Writer.
func (c writeBounded) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, err
	}
	return c.TCPConn.Write(p)
}

func identifier() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`) }

// check refuses limits below 1, of those that were made without DefaultLimits.
func (l Limits) check() error {
	for field, value := range reflect.ValueOf(l).Fields() {
		if n := value.Int(); n < 1 {
			return fmt.Errorf("limit %s of the store is %d, which is below 1; begin with DefaultLimits", field.Name, n)
		}
	}
	return nil
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
