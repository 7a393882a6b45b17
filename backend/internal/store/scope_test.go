package store_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podflame/podflame/backend/internal/access"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/storetest"
	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/backend/profile/profiletest"
)

// hostile is a namespace that no cluster can have, to show that names are
// quoted.
const hostile = `it's a \' trap`

// scoped is a strict store with a window and a target in each of three
// namespaces.
func scoped(t *testing.T, changes ...func(*store.Config)) (*store.Store, store.Range) {
	t.Helper()
	return scopedAt(t, time.Now().UTC().Truncate(time.Minute), changes...)
}

func scopedAt(t *testing.T, end time.Time, changes ...func(*store.Config)) (*store.Store, store.Range) {
	t.Helper()
	const patience = 5 * time.Minute // a slow machine is not what is tested
	db := storetest.Open(t, append(changes, func(c *store.Config) { c.Unscoped, c.Limits.QueryTimeout = false, patience })...)
	return db, fillScopes(t, db, end)
}

// fillScopes stores a window and a target in each of three namespaces.
func fillScopes(t *testing.T, db *store.Store, end time.Time) store.Range {
	t.Helper()
	for i, namespace := range []string{"shop", "bank", hostile} {
		target := profiletest.Target("checkout", "pod-"+namespace)
		target.Namespace, target.PodUID = namespace, "uid-"+namespace
		w := profiletest.Window(profiletest.Options{Seed: uint64(i), Start: end.Add(-5 * time.Minute), Target: target, Stacks: 20, Lossy: true})
		if _, err := db.Insert(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		reports := []store.TargetStatus{{Target: target, State: string(profile.StateProfiled), WindowLength: time.Minute}}
		if namespace == "shop" { // a target that is known not to record what is read
			target.PID++
			reports = append(reports, store.TargetStatus{Target: target, State: string(profile.StateProfiled), WindowLength: time.Minute, Events: []profile.Type{profile.Lock}})
		}
		if err := db.PutTargets(t.Context(), reports); err != nil {
			t.Fatal(err)
		}
	}
	return store.Range{From: end.Add(-3 * time.Hour), To: end}
}

// reads are all reads of the store that people cause, by the method's name; each
// returns the namespaces that it saw.
func reads(db *store.Store, span store.Range) map[string]func(context.Context) ([]string, error) {
	inNamespace := func(read func(context.Context, store.Selection) (bool, error)) func(context.Context) ([]string, error) {
		return func(ctx context.Context) (seen []string, err error) {
			for _, namespace := range []string{"shop", "bank", hostile} {
				target := profiletest.Target("checkout", "")
				found, err := read(ctx, store.Selection{
					ServiceKey: store.ServiceKey{Cluster: target.Cluster, Namespace: namespace, Service: "checkout"}, Type: profile.CPU, Range: span,
				})
				if err != nil {
					return nil, err
				}
				if found {
					seen = append(seen, namespace)
				}
			}
			return seen, nil
		}
	}
	return map[string]func(context.Context) ([]string, error){
		"Services": func(ctx context.Context) (seen []string, err error) {
			list, _, _, err := db.Services(ctx, store.ServiceFilter{Range: span})
			for _, s := range list {
				seen = append(seen, s.Namespace)
			}
			return seen, err
		},
		"Targets": func(ctx context.Context) (seen []string, err error) {
			list, _, _, err := db.Targets(ctx, store.TargetFilter{})
			for _, s := range list {
				seen = append(seen, s.Namespace)
			}
			return seen, err
		},
		"Overview": func(ctx context.Context) (seen []string, err error) {
			all, err := db.Overview(ctx, store.ServiceFilter{Range: span}, span.From, time.Minute)
			if err != nil {
				return nil, err
			}
			for key := range all.Activity {
				seen = append(seen, key.Namespace)
			}
			return seen, nil
		},
		"Sums": inNamespace(func(ctx context.Context, sel store.Selection) (bool, error) {
			sums, err := db.Sums(ctx, sel)
			return err == nil && sums.Sides[0].Total.Count > 0, err
		}),
		"Sums of a pod": inNamespace(func(ctx context.Context, sel store.Selection) (bool, error) {
			sel.Pods, sel.Series = []string{"pod-" + sel.Namespace}, nil
			sums, err := db.Sums(ctx, sel)
			return err == nil && sums.Sides[0].Total.Count > 0, err
		}),
		"Sums of threads": inNamespace(func(ctx context.Context, sel store.Selection) (bool, error) {
			sel.Threads, sel.NotThreads = []string{""}, []string{"main"}
			sums, err := db.Sums(ctx, sel)
			return err == nil && sums.Tree.Size() > 0, err
		}),
		"Parts by thread": inNamespace(func(ctx context.Context, sel store.Selection) (bool, error) {
			_, parts, _, err := db.Parts(ctx, sel, sel.From, time.Hour, store.ByThread)
			return len(parts) > 0, err
		}),
		"Blocks": inNamespace(func(ctx context.Context, sel store.Selection) (seen bool, err error) {
			_, err = db.Blocks(ctx, sel, 1, 1, func(store.Block) error { seen = true; return nil })
			return seen, err
		}),
		"Versions": inNamespace(func(ctx context.Context, sel store.Selection) (bool, error) {
			list, _, err := db.Versions(ctx, sel)
			return len(list) > 0, err
		}),
		"Coverage": inNamespace(func(ctx context.Context, sel store.Selection) (bool, error) {
			c, err := db.Coverage(ctx, sel)
			return err == nil && c.Windows.Stored > 0, err
		}),
		"Timeline": inNamespace(func(ctx context.Context, sel store.Selection) (bool, error) {
			cells, _, err := db.Timeline(ctx, sel, sel.From, time.Hour)
			return err == nil && slices.ContainsFunc(cells, func(c store.Cell) bool { return c.Windows.Stored > 0 }), err
		}),
		"Parts": inNamespace(func(ctx context.Context, sel store.Selection) (bool, error) {
			_, parts, _, err := db.Parts(ctx, sel, sel.From, time.Hour, store.ByPod)
			return len(parts) > 0, err
		}),
		"WindowLength": inNamespace(func(ctx context.Context, sel store.Selection) (bool, error) {
			length, err := db.WindowLength(ctx, sel.ServiceKey, time.Time{})
			return length > 0, err
		}),
	}
}

func TestReadsSeeTheirScopeOnly(t *testing.T) {
	db, span := scoped(t)
	for name, read := range reads(db, span) {
		for _, c := range []struct {
			scope access.Scope
			want  []string
		}{
			{access.Everything(), []string{"bank", hostile, "shop"}},
			{access.Of("shop"), []string{"shop"}},
			{access.Of("shop", hostile, "nowhere"), []string{hostile, "shop"}},
			{access.Of("nowhere"), nil},
			{access.Of(), nil},
		} {
			seen, err := read(access.Into(t.Context(), c.scope))
			if err != nil {
				t.Errorf("%s within %v: %v", name, c.scope, err)
			}
			slices.Sort(seen)
			if diff := cmp.Diff(c.want, slices.Compact(seen)); diff != "" {
				t.Errorf("%s within %v sees (-want +seen):\n%s", name, c.scope, diff)
			}
		}
	}
}

func TestReadWithoutScopeIsRefused(t *testing.T) {
	db, span := scoped(t)
	for name, read := range reads(db, span) {
		seen, err := read(t.Context())
		if e, ok := errors.AsType[*store.Error](err); !ok || e.Class != store.Unscoped || seen != nil {
			t.Errorf("%s without a scope sees %q, %v", name, seen, err)
		}
	}
	// The store's own work needs none.
	if err := db.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if h := db.Health(t.Context()); !h.Reachable {
		t.Error(h.Error)
	}
	list, truncated, err := db.Namespaces(t.Context())
	if diff := cmp.Diff([]string{"bank", hostile, "shop"}, list); diff != "" || truncated || err != nil {
		t.Errorf("namespaces %t %v (-want +got):\n%s", truncated, err, diff)
	}
}

// Every table either has a column namespace, by which the scope narrows it, or
// is one that holds nothing of a namespace that its reader did not know. Others
// cannot be read within a scope.
func TestEveryTableIsNarrowed(t *testing.T) {
	db := storetest.Open(t)
	open := map[string]string{
		"functions":        "names, read by ids out of stacks",
		"stacks":           "read by ids out of samples",
		"ingest_events":    "sums of the whole installation",
		"activity_known":   "times of the whole installation",
		"goose_db_version": "versions of the tables",
		"given_up_days":    "days of the whole installation, read by the store for its health",
	}
	rows, err := db.Conn().Query(t.Context(), db.SQL("SELECT table, countIf(name = 'namespace') FROM system.columns WHERE concat(database, '.') = '@.' GROUP BY table"))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	tables := 0
	for rows.Next() {
		var table string
		var columns uint64
		if err := rows.Scan(&table, &columns); err != nil {
			t.Fatal(err)
		}
		tables++
		if _, ok := open[table]; columns == 0 && !ok && !strings.HasPrefix(table, ".inner") {
			t.Errorf("table %s has no column namespace: say here why readers of all namespaces may see it", table)
		}
	}
	if tables < 8 {
		t.Errorf("only %d tables found", tables)
	}
}

// Window ids can be guessed; who does and is first must not make the windows of
// another pod repetitions of his own.
func TestForeignWindowWithTheSameIDHidesNothing(t *testing.T) {
	db := storetest.Open(t)
	start := time.Now().UTC().Truncate(time.Minute).Add(-5 * time.Minute)
	victim, attacker := profiletest.Target("checkout", "victim"), profiletest.Target("checkout", "attacker")
	victim.Namespace, attacker.Namespace = "shop", "evil"
	victim.PodUID, attacker.PodUID = "uid-victim", "uid-attacker"
	genuine := profiletest.Window(profiletest.Options{Seed: 1, Start: start, Target: victim, Stacks: 20})
	forged := profiletest.Window(profiletest.Options{Seed: 2, Start: start, Target: attacker, Stacks: 30})
	forged.ID = genuine.ID
	for _, w := range []*profile.Window{forged, genuine} {
		if result, err := db.Insert(t.Context(), w); err != nil || result.Duplicate {
			t.Fatalf("window of %s: %+v, %v", w.Target.Pod, result, err)
		}
	}
	for _, w := range []*profile.Window{forged, genuine} {
		key := store.ServiceKey{Cluster: w.Target.Cluster, Namespace: w.Target.Namespace, Service: w.Target.Service}
		sums, err := db.Sums(t.Context(), store.Selection{ServiceKey: key, Type: profile.CPU, Range: store.Range{From: start, To: start.Add(time.Minute)}})
		if err != nil {
			t.Fatal(err)
		}
		if want := w.Coverage[0].Stored; w.Coverage[0].Type != profile.CPU || sums.Sides[0].Total != want {
			t.Errorf("%s has %v stored, want %v", w.Target.Pod, sums.Sides[0].Total, want)
		}
	}
}
