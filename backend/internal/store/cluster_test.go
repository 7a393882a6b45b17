package store_test

import (
	"context"
	"crypto/rand"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/podflame/podflame/backend/internal/access"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/embedded"
	"github.com/podflame/podflame/backend/internal/store/storetest"
	"github.com/podflame/podflame/backend/profile"
)

// pair is a cluster of two shards. Servers find each other through doors, which can
// be closed.
type pair struct {
	servers [2]*embedded.Server
	doors   [2]*door
	queue   sync.Mutex // in the place of Keeper's: one statement ON CLUSTER at a time
}

// startPair starts a cluster. Its servers have no Keeper, see onEach.
func startPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{}
	shards := ""
	for i := range p.doors {
		p.doors[i] = newDoor(t)
		shards += fmt.Sprintf("<shard><internal_replication>true</internal_replication><replica><host>127.0.0.1</host><port>%d</port></replica></shard>", p.doors[i].port())
	}
	more := "<remote_servers><pair><secret>" + rand.Text() + "</secret>" + shards + "</pair></remote_servers>"
	for i := range p.servers {
		p.servers[i] = startServer(t, embedded.Config{
			Dir: t.TempDir(), Library: storetest.Library(t), More: more, StartTimeout: 5 * time.Minute, HangTimeout: 10 * time.Minute,
		})
		p.doors[i].leadTo(p.servers[i])
	}
	return p
}

// open returns a backend for each server of the pair, on one new database.
func (p *pair) open(t *testing.T, changes ...func(*store.Config)) (backends [2]*store.Store) {
	t.Helper()
	backends = p.connect(t, "t_"+strings.ToLower(rand.Text()), changes...)
	if err := backends[0].Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return backends
}

func (p *pair) connect(t *testing.T, database string, changes ...func(*store.Config)) (backends [2]*store.Store) {
	t.Helper()
	for i, server := range p.servers {
		cfg := store.Config{DSN: server.DSN() + "/" + database, Dial: server.Dial, Cluster: "pair", RetentionDays: store.MaxRetentionDays, Unscoped: true, Limits: store.DefaultLimits()}
		cfg.Limits.CommitDelay, cfg.Limits.InsertTimeout, cfg.Limits.QueryTimeout, cfg.Limits.Migration = time.Millisecond, time.Minute, time.Minute, 5*time.Minute
		for _, change := range changes {
			change(&cfg)
		}
		s, err := store.Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		p.onEach(t, s)
		backends[i] = s
	}
	return backends
}

// onEach lets a store send statements ON CLUSTER to each server by itself, and makes
// tables that do not replicate: that is what Keeper is for.
func (p *pair) onEach(t *testing.T, s *store.Store) {
	t.Helper()
	var all []clickhouse.Conn
	for _, server := range p.servers {
		o, err := clickhouse.ParseDSN(server.DSN())
		if err != nil {
			t.Fatal(err)
		}
		o.DialTimeout, o.DialContext = time.Minute, func(ctx context.Context, addr string) (net.Conn, error) { return server.Dial(ctx, addr) }
		conn, err := clickhouse.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		all = append(all, conn)
	}
	each := func(ctx context.Context, statement string) (bool, error) {
		alone := withoutKeeper(statement)
		if alone == statement {
			return false, nil
		}
		p.queue.Lock()
		defer p.queue.Unlock()
		var errs []error
		for _, conn := range all {
			errs = append(errs, conn.Exec(ctx, alone))
		}
		return true, errors.Join(errs...)
	}
	s.Through(func(c clickhouse.Conn) clickhouse.Conn { return eachConn{c, each} },
		func(c driver.Connector) driver.Connector { return eachConnector{c, each} })
}

// withoutKeeper is a statement for one server, without what needs a Keeper.
func withoutKeeper(statement string) string {
	statement = regexp.MustCompile(` ON CLUSTER '\w+'`).ReplaceAllString(statement, "")
	return regexp.MustCompile(`Replicated(\w+)\('[^']*', '\{replica\}'(, )?`).ReplaceAllString(statement, "$1(")
}

// eachConn carries out statements ON CLUSTER by each.
type eachConn struct {
	clickhouse.Conn
	each func(context.Context, string) (bool, error)
}

func (c eachConn) Exec(ctx context.Context, statement string, args ...any) error {
	if done, err := c.each(ctx, statement); done {
		return err
	}
	return c.Conn.Exec(ctx, statement, args...)
}

// eachConnector is eachConn for package sql.
type eachConnector struct {
	driver.Connector
	each func(context.Context, string) (bool, error)
}

type sqlConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.NamedValueChecker
	driver.QueryerContext
}

func (c eachConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return eachSQLConn{conn.(sqlConn), c.each}, nil
}

type eachSQLConn struct {
	sqlConn
	each func(context.Context, string) (bool, error)
}

func (c eachSQLConn) ExecContext(ctx context.Context, statement string, args []driver.NamedValue) (driver.Result, error) {
	if done, err := c.each(ctx, statement); done {
		return driver.RowsAffected(0), err
	}
	return c.sqlConn.ExecContext(ctx, statement, args)
}

// door leads connections to a server while it is open.
type door struct {
	listener net.Listener
	server   atomic.Pointer[embedded.Server]
	mu       sync.Mutex
	closed   bool
	through  map[net.Conn]struct{}
}

func newDoor(t *testing.T) *door {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &door{listener: listener, through: map[net.Conn]struct{}{}}
	t.Cleanup(func() {
		_ = listener.Close()
		d.close(true)
	})
	go d.accept()
	return d
}

func (d *door) port() int { return d.listener.Addr().(*net.TCPAddr).Port }

func (d *door) leadTo(server *embedded.Server) { d.server.Store(server) }

func (d *door) accept() {
	for {
		outside, err := d.listener.Accept()
		if err != nil {
			return
		}
		go d.lead(outside)
	}
}

func (d *door) lead(outside net.Conn) {
	defer outside.Close()
	inside, err := d.server.Load().Dial(context.Background(), "")
	if err != nil {
		return
	}
	defer inside.Close()
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return
	}
	d.through[outside] = struct{}{}
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.through, outside)
	}()
	go func() {
		_, _ = io.Copy(inside, outside)
		_ = inside.Close()
	}()
	_, _ = io.Copy(outside, inside)
}

// close ends all connections and lets none through until it is opened again.
func (d *door) close(closed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = closed
	if closed {
		for conn := range d.through {
			_ = conn.Close()
		}
	}
}

// The servers are those of all tests, each of which has databases of its own.
func TestCluster(t *testing.T) {
	p := startPair(t)
	for name, test := range map[string]func(*testing.T, *pair){
		"answers": answersAsOneServer, "identity": identityInACluster, "shard away": shardAway, "scopes": scopesOfACluster,
		"care": careOfACluster, "tables": tablesOfACluster, "setup": setupOfACluster,
	} {
		t.Run(name, func(t *testing.T) { test(t, p) })
	}
}

// A cluster says the same as one server with the same windows, whichever backend is
// asked: of fresh windows, and of hours that are rolled up.
func answersAsOneServer(t *testing.T, p *pair) {
	one, both := storetest.Open(t, noSkew), p.open(t, noSkew)
	for service := range 2 {
		for pod := range 6 {
			m := newMaker(fmt.Sprint("cart-", service), pod)
			m.types = []profile.Type{profile.CPU, profile.Lock}
			for i := range 2 {
				w := m.window(today().Add(time.Duration(i) * time.Minute))
				insert(t, one, w)
				insert(t, both[(pod+i)%2], w)
			}
			status := store.TargetStatus{Target: m.target, State: string(profile.StateProfiled), WindowLength: time.Minute}
			for _, s := range []*store.Store{one, both[pod%2]} {
				if err := s.PutTargets(t.Context(), []store.TargetStatus{status}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, s := range both { // each is asked where its server is
		var here, all uint64
		err := s.Conn().QueryRow(t.Context(), s.SQL("SELECT countIf(_shard_num = 1), count() FROM @.profiles")).Scan(&here, &all)
		if err != nil || here == 0 || here == all {
			t.Errorf("%d of %d headers are on the first shard, %v", here, all, err)
		}
	}
	want := answers(t, one)
	for i, s := range both {
		if diff := gocmp.Diff(want, answers(t, s), alike()...); diff != "" {
			t.Errorf("backend %d before the roll-up (-one server +cluster):\n%s", i, diff)
		}
	}
	for _, s := range []*store.Store{one, both[1]} {
		rollUp(t, s, today(), 2)
		if _, err := s.SumActivity(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if diff := gocmp.Diff(answers(t, one), answers(t, both[0]), alike()...); diff != "" {
		t.Errorf("after the roll-up (-one server +cluster):\n%s", diff)
	}
}

// answers are what a store says of the services of a test.
func answers(t *testing.T, s *store.Store) map[string]any {
	t.Helper()
	out, ctx := map[string]any{}, t.Context()
	enter := func(name string, answer any, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out[name] = answer
	}
	sel := selection("cart-1", profile.CPU, today().Add(-time.Hour), 4*time.Hour)
	sums, err := s.Sums(ctx, sel)
	if err != nil {
		t.Fatal(err)
	}
	enter("flame graph", stacksOf(sums.Tree, 0, sel.Type), nil)
	enter("sides", sums.Sides, nil)
	narrowed := sel
	narrowed.Pods, narrowed.Threads = []string{"cart-1-1", "cart-1-4"}, []string{""}
	enter("flame graph of pods", read(t, s, narrowed), nil)
	cells, coverage, err := s.Timeline(ctx, sel, sel.From, time.Minute)
	enter("timeline", cells, err)
	enter("coverage", coverage, err)
	for _, by := range []store.Column{store.ByPod, store.ByThread} {
		_, parts, _, err := s.Parts(ctx, sel, sel.From, time.Minute, by)
		enter("parts by "+string(by), parts, err)
	}
	blocks := []profile.Amount{}
	_, err = s.Blocks(ctx, sel, 2, 3, func(b store.Block) error { blocks = append(blocks, b.Total); return nil })
	enter("blocks", blocks, err)
	versions, _, err := s.Versions(ctx, sel)
	enter("versions", versions, err)
	length, err := s.WindowLength(ctx, sel.ServiceKey, time.Time{})
	enter("length", length, err)
	span := store.Range{From: today().Add(-time.Hour), To: today().Add(3 * time.Hour)}
	services, _, _, err := s.Services(ctx, store.ServiceFilter{Range: span})
	enter("services", services, err)
	overview, err := s.Overview(ctx, store.ServiceFilter{Range: span}, span.From, time.Hour)
	enter("overview", overview, err)
	targets, _, _, err := s.Targets(ctx, store.TargetFilter{})
	slices.SortFunc(targets, func(a, b store.TargetStatus) int { return strings.Compare(a.Pod, b.Pod) })
	enter("targets", targets, err)
	namespaces, _, err := s.Namespaces(ctx)
	enter("namespaces", namespaces, err)
	storage, err := s.Storage(ctx)
	if err != nil || len(storage.Days) != 1 {
		t.Fatalf("storage is %+v, %v", storage, err)
	}
	enter("stored samples", storage.Days[0].Rows, nil)
	health := s.Health(ctx)
	if health.Error != "" || health.WriteError != "" || health.Room.Used == 0 || health.Room.Total == 0 {
		t.Errorf("health is %+v", health)
	}
	enter("oldest and roll-ups behind", []any{health.Oldest, health.RollupBehind}, nil)
	return out
}

// alike leaves out what differs from store to store.
func alike() []gocmp.Option {
	return []gocmp.Option{
		cmpopts.IgnoreTypes(store.Cost{}), cmpopts.IgnoreFields(store.TargetStatus{}, "ReportedAt"), cmpopts.EquateEmpty(),
	}
}

// A window counts once in a cluster, whichever backend it is sent to how often.
func identityInACluster(t *testing.T, p *pair) {
	both := p.open(t)
	var all []*profile.Window
	for pod := range 8 {
		w := newMaker("cart", pod).window(today())
		all = append(all, w)
		var sent sync.WaitGroup
		for i := range 6 {
			sent.Go(func() {
				if r, err := both[i%2].Insert(context.Background(), w); err != nil || r.Conflict {
					t.Errorf("%+v, %v", r, err)
				}
			})
		}
		sent.Wait()
	}
	for i, w := range all {
		if r := insert(t, both[i%2], w); !r.Duplicate || r.Conflict {
			t.Errorf("a window again: %+v", r)
		}
		renamed := *w
		renamed.Target.Service = "other"
		_, err := both[i%2].Insert(t.Context(), &renamed)
		wantClass(t, "same id, other service", err, store.IDTaken, "another target, service or start")
		m := newMaker("cart", i)
		m.stacks++
		if r := insert(t, both[i%2], m.window(today())); !r.Duplicate || !r.Conflict {
			t.Errorf("same id, other content: %+v", r)
		}
	}
	for _, s := range both {
		wantOnce(t, s, "cart", all...)
		wantOnce(t, s, "other")
	}
}

// While a shard is away there is no answer that leaves it out, and no window is
// acknowledged that belongs there; afterwards all are there once.
func shardAway(t *testing.T, p *pair) {
	both := p.open(t)
	var before, during []*profile.Window
	for pod := range 8 {
		m := newMaker("cart", pod)
		before, during = append(before, m.window(today())), append(during, m.window(today().Add(time.Minute)))
		insert(t, both[0], before[pod])
	}
	p.doors[1].close(true)
	_, err := both[0].Sums(t.Context(), selection("cart", profile.CPU, today(), time.Hour))
	wantClass(t, "a query", err, store.Unavailable, "")
	if _, _, _, err := both[0].Services(t.Context(), store.ServiceFilter{Range: store.Range{From: today(), To: today().Add(time.Hour)}}); !store.IsRetryable(err) {
		t.Errorf("services: %v", err)
	}
	acknowledged := 0
	for _, w := range during {
		if _, err := both[0].Insert(t.Context(), w); err == nil {
			acknowledged++
		} else if !store.IsRetryable(err) {
			t.Errorf("a window is refused for good: %v", err)
		}
	}
	if acknowledged > 0 {
		t.Errorf("%d windows are acknowledged, although it is not known whether the shard that is away has them", acknowledged)
	}
	if err := both[0].Ping(t.Context()); !store.IsRetryable(err) {
		t.Errorf("ready without a shard: %v", err)
	}
	p.doors[1].close(false)
	for _, w := range during {
		insertUntil(t, both[1], w)
	}
	for _, s := range both {
		wantOnce(t, s, "cart", append(slices.Clone(before), during...)...)
	}
}

// Scopes hold in a cluster as well.
func scopesOfACluster(t *testing.T, p *pair) {
	both := p.open(t, func(c *store.Config) { c.Unscoped = false })
	end := time.Now().UTC().Truncate(time.Minute)
	span := fillScopes(t, both[0], end)
	for name, read := range reads(both[1], span) {
		for _, c := range []struct {
			scope access.Scope
			want  []string
		}{
			{access.Everything(), []string{"bank", hostile, "shop"}},
			{access.Of("shop", hostile, "nowhere"), []string{hostile, "shop"}},
			{access.Of("nowhere"), nil},
		} {
			seen, err := read(access.Into(t.Context(), c.scope))
			if err != nil {
				t.Errorf("%s within %v: %v", name, c.scope, err)
			}
			slices.Sort(seen)
			if diff := gocmp.Diff(c.want, slices.Compact(seen)); diff != "" {
				t.Errorf("%s within %v sees (-want +seen):\n%s", name, c.scope, diff)
			}
		}
	}
}

// The store's own work is that of all shards.
func careOfACluster(t *testing.T, p *pair) {
	both := p.open(t)
	s := both[0]
	var all []*profile.Window
	for pod := range 8 {
		w := newMaker("cart", pod).window(today())
		all = append(all, w)
		insert(t, s, w)
	}
	if n := count(t, s, "samples"); n == 0 {
		t.Fatal("no samples")
	}
	stray := time.Now().Add(-4*time.Hour).Unix() << 32
	exec(t, s, fmt.Sprintf("INSERT INTO @.samples SELECT * REPLACE (%d AS commit_id) FROM @.samples WHERE type = 'cpu'", stray))
	now := time.Now()
	for range 2 {
		if _, err := s.SweepDue(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		now = now.Add(2 * time.Hour)
	}
	if n := count(t, s, fmt.Sprintf("samples WHERE commit_id = %d", stray)); n != 0 {
		t.Errorf("%d strays are left", n)
	}
	wantOnce(t, both[1], "cart", all...)
	s.Limit(1)
	gone, err := s.MakeRoom(t.Context(), today().Add(72*time.Hour))
	if err != nil || !gone.Day.Equal(today().Truncate(24*time.Hour)) {
		t.Fatalf("given up %+v, %v", gone, err)
	}
	if n := count(t, both[1], "samples"); n != 0 {
		t.Errorf("%d samples of the day that was given up are left", n)
	}
	c, err := both[1].Coverage(t.Context(), selection("cart", profile.CPU, today(), time.Hour))
	if err != nil || c.Ledger.Stored.Count != 0 || c.Windows.Stored != int64(len(all)) {
		t.Errorf("coverage of the day is %+v, %v", c, err)
	}
	if h := both[1].Health(t.Context()); len(h.Room.GivenUp) != 1 {
		t.Errorf("given up days are %+v", h.Room.GivenUp)
	}
}

// Many backends may start at once, and servers may join.
func tablesOfACluster(t *testing.T, p *pair) {
	database := "t_" + strings.ToLower(rand.Text())
	migrate := func() {
		t.Helper()
		both := p.connect(t, database)
		var all sync.WaitGroup
		for _, s := range both {
			all.Go(func() {
				if err := s.MigrateUntil(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	migrate()
	s := p.connect(t, database)[0]
	tables := func() (list []string) {
		t.Helper()
		for _, db := range p.connect(t, database) {
			var text string
			statement := fmt.Sprintf("SELECT arrayStringConcat(groupArray(concat(database, '.', table, ' ', name, ' ', type)), '\n') FROM (SELECT * FROM system.columns WHERE database IN ('%[1]s', '%[1]s_shard') ORDER BY database, table, position)", database)
			if err := db.Conn().QueryRow(t.Context(), statement).Scan(&text); err != nil {
				t.Fatal(err)
			}
			list = append(list, text)
		}
		return list
	}
	want := tables()
	if want[0] == "" || want[0] != want[1] {
		t.Fatalf("tables of the servers differ:\n%s", gocmp.Diff(want[0], want[1]))
	}
	w := newMaker("cart", 0).window(today())
	insert(t, s, w)
	for _, name := range []string{database, database + "_shard"} { // as on a server that is new
		if err := p.connect(t, database)[1].Conn().Exec(t.Context(), "DROP DATABASE "+name+" SYNC"); err != nil {
			t.Fatal(err)
		}
	}
	exec(t, s, "DROP TABLE @.targets SYNC") // of an earlier version, with other columns
	exec(t, s, "CREATE TABLE @.targets (service String) ENGINE = Distributed('pair', '"+database+"_shard', 'targets')")
	migrate()
	if diff := gocmp.Diff(want, tables()); diff != "" {
		t.Errorf("tables once a server has joined and columns have changed (-before +after):\n%s", diff)
	}
}

func setupOfACluster(t *testing.T, p *pair) {
	database := "t_" + strings.ToLower(rand.Text())
	refused := func(says, cluster, database string) {
		t.Helper()
		s := p.connect(t, database, func(c *store.Config) { c.Cluster = cluster })[0]
		err := s.Migrate(t.Context())
		if err == nil || store.IsRetryable(err) || !strings.Contains(err.Error(), says) {
			t.Errorf("cluster %q on %s: %v, want %q", cluster, database, err, says)
		}
	}
	refused(`cluster "trio" is not among those that ClickHouse knows: ["pair"]`, "trio", database)
	p.open(t, func(c *store.Config) { c.DSN = c.DSN[:strings.LastIndex(c.DSN, "/")+1] + database })
	refused("has the tables of a cluster", "", database)
	single := p.connect(t, database+"_one", func(c *store.Config) { c.Cluster = "" })[0]
	if err := single.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	refused("has the tables of a single server", "pair", database+"_one")
	if _, err := store.Open(store.Config{DSN: "clickhouse://localhost", Cluster: "it's", RetentionDays: 1, Limits: store.DefaultLimits()}); err == nil || !strings.Contains(err.Error(), "--clickhouse-cluster") {
		t.Errorf("an odd name of a cluster: %v", err)
	}
}

// The tables of a cluster, as they are made where there is a Keeper.
func TestStatementsOfACluster(t *testing.T) {
	s, err := store.Open(store.Config{DSN: "clickhouse://localhost/podflame", Cluster: "main", RetentionDays: 7, Limits: store.DefaultLimits()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	text, err := s.Statements()
	if err != nil {
		t.Fatal(err)
	}
	compareGolden(t, "testdata/cluster.sql", text)
	for statement, want := range map[string]string{
		"SELECT 1 FROM @.a FINAL": "SELECT 1 FROM podflame.a FINAL",
		"SELECT f(')') FROM @(SELECT (1) FROM @(SELECT '\\')' FROM @.a) WHERE x IN (SELECT y FROM @.b)) AS p GROUP BY z": "SELECT f(')') FROM cluster('main', view(SELECT (1) FROM (SELECT '\\')' FROM podflame_shard.a) WHERE x IN (SELECT y FROM podflame_shard.b))) AS p GROUP BY z",
	} {
		if got := s.SQL(statement); got != want {
			t.Errorf("%s becomes\n%s, want\n%s", statement, got, want)
		}
	}
}
