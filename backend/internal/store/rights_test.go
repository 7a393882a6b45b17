package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/embedded"
	"github.com/podflame/podflame/backend/internal/store/storetest"
	"github.com/podflame/podflame/backend/profile"
)

// user has rights of its own, and its name as password.
const user = `<clickhouse><users><%[1]s>
  <password>%[1]s</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
  <grants>%[2]s</grants>
</%[1]s></users></clickhouse>`

// asUsual lets nobody read system tables without a right, as servers do by default.
const asUsual = `<access_control_improvements><select_from_system_db_requires_grant>true</select_from_system_db_requires_grant></access_control_improvements>`

// documentedRights are the grants of docs/operations.md to the user of one server.
func documentedRights(t *testing.T) (grants []string) {
	t.Helper()
	text, err := os.ReadFile("../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range regexp.MustCompile(`(?m)^GRANT .* TO podflame;$`).FindAllString(string(text), -1) {
		grants = append(grants, strings.TrimSuffix(line, " TO podflame;"))
	}
	if len(grants) == 0 {
		t.Fatal("docs/operations.md names no rights")
	}
	return grants
}

// withUsers starts a server that has users with some rights each, beside ours.
func withUsers(t *testing.T, grants map[string][]string) *embedded.Server {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "users.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, queries := range grants {
		elements := "<query>" + strings.Join(queries, "</query><query>") + "</query>"
		if err := os.WriteFile(filepath.Join(dir, "users.d", name+".xml"), fmt.Appendf(nil, user, name, elements), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return startServer(t, embedded.Config{Dir: dir, Library: storetest.Library(t), More: asUsual, StartTimeout: 5 * time.Minute, HangTimeout: 10 * time.Minute})
}

// as opens the store as a user.
func as(name string) func(*store.Config) {
	return func(c *store.Config) { c.DSN = "clickhouse://" + name + ":" + name + "@embedded:9000/podflame" }
}

// The rights that are documented are enough for all that a backend does, from the
// first start on.
func TestDocumentedRightsAreEnough(t *testing.T) {
	server := withUsers(t, map[string][]string{"documented": documentedRights(t)})
	s := storetest.OpenOn(t, server, as("documented"))
	if err := s.Read(t.Context(), "SELECT count() FROM system.processes"); err == nil {
		t.Error("the user may read more than was granted")
	}

	m := newMaker("cart", 0)
	w := m.window(today())
	insert(t, s, w)
	rollUp(t, s, today(), 1)
	if _, err := s.SweepDue(t.Context(), time.Now()); err != nil {
		t.Error(err)
	}
	diff(t, "samples", merged(profile.CPU, w), read(t, s, selection("cart", profile.CPU, w.Start.Add(-time.Minute), 10*time.Minute)))
	if _, err := s.Storage(t.Context()); err != nil {
		t.Error(err)
	}
	s.Limit(1)
	if gone, err := s.MakeRoom(t.Context(), today().Add(48*time.Hour)); err != nil || gone.Day.IsZero() {
		t.Errorf("%+v is given up, %v", gone, err)
	}
	if h := s.Health(t.Context()); h.Error != "" || h.WriteError != "" {
		t.Error(h.Error, h.WriteError)
	}
	storetest.OpenOn(t, server, as("documented"), func(c *store.Config) { c.RetentionDays = 1 }) // alters tables
}

// Where a right is missing, the error names it.
func TestMissingRightIsNamed(t *testing.T) {
	server := withUsers(t, map[string][]string{"nobody": {"GRANT CREATE DATABASE ON podflame.*", "GRANT TABLE ENGINE ON *"}})
	s, err := store.Open(store.Config{DSN: "clickhouse://nobody:nobody@embedded:9000/podflame", Dial: server.Dial, RetentionDays: 1, Unscoped: true, Limits: store.DefaultLimits()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "CREATE TABLE") || !strings.Contains(err.Error(), "check the user") {
		t.Errorf("%v, want the right that is missing, and what to do", err)
	}
}
