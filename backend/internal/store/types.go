package store

import (
	"time"

	"github.com/podflame/podflame/backend/internal/calltree"
	"github.com/podflame/podflame/backend/profile"
)

// Range is a span of time, [From, To). A window belongs to the range in which
// it starts.
type Range struct{ From, To time.Time }

// ServiceKey names a service. All three parts are always matched exactly, so an
// empty cluster is the cluster without a name.
type ServiceKey struct{ Cluster, Namespace, Service string }

// Selection is what a read of samples is scoped to.
type Selection struct {
	ServiceKey
	Type profile.Type
	Range
	// Only targets with one of these versions, pods, containers and nodes; an
	// empty list does not narrow. Each has at most MaxSelected entries.
	Versions, Pods, Containers, Nodes []string
	Series                            []uint64 // only these targets (see profile.Target.SeriesID), likewise
	// Only samples of these thread groups, and none of those, for Sums and Blocks;
	// empty lists do not narrow. The empty name is the group that is not known.
	Threads, NotThreads []string
}

// MaxSelected bounds each list of a Selection.
const MaxSelected = 1000

// Cost is what a read took.
type Cost struct {
	Queries   int
	RowsRead  uint64 // in ClickHouse
	BytesRead uint64 // in ClickHouse, decompressed
	Elapsed   time.Duration
}

// Add enters another read.
func (c *Cost) Add(o Cost) {
	c.Queries += o.Queries
	c.RowsRead += o.RowsRead
	c.BytesRead += o.BytesRead
	c.Elapsed += o.Elapsed
}

// Service is a service that sent windows in a range.
type Service struct {
	ServiceKey
	Versions []string  // sorted, at most MaxVersions
	Targets  int       // that sent windows
	Windows  int64     // that arrived, with and without samples
	LastEnd  time.Time // of the windows
	Types    []TypeTotal
}

// MaxVersions bounds Service.Versions.
const MaxVersions = 100

// TypeTotal is what a service stored of one type. TooLarge says that the sum is 2^63
// or more: then the value is left out, and the count is at most the largest number.
type TypeTotal struct {
	Type     profile.Type
	Stored   profile.Amount
	TooLarge bool
}

// ServiceFilter narrows the list of services. Nil lists do not narrow.
type ServiceFilter struct {
	Range
	Clusters   []string
	Namespaces []string
}

// TargetStatus is the latest that is known of a target, as its sidecar
// reported it.
type TargetStatus struct {
	profile.Target
	SeriesID     uint64 // set by the store when it reads
	State        string // of the session: free, owned, conflict…
	Reason       profile.Reason
	Detail       string // one sentence, may be empty
	Session      string
	Profiler     string // version of the profiler
	Sidecar      string // version of the sidecar
	Extra        string // JSON object for what has no column, may be empty
	SpoolWindows int64
	SpoolBytes   int64
	SpoolOldest  time.Time // start of the oldest window that waits; zero if none
	LastEnd      time.Time // of the last window that was made; zero if none
	Since        time.Time // of State; of a JVM that has exited, when that was seen
	WindowLength time.Duration
	Events       []profile.Type // that are recorded; empty if not known
	ReportedAt   time.Time      // set by the store
}

// TargetFilter narrows the list of targets. Nil lists and empty strings do not
// narrow.
type TargetFilter struct {
	Clusters   []string
	Namespaces []string
	Service    string
	Since      time.Time // reported at or after
}

// Cell is one step of a timeline.
type Cell struct {
	Start  time.Time
	Status CellStatus
	Account
}

// Account is what there is of a type in a span of time, and what is missing.
type Account struct {
	// Windows is what was expected of all targets and what came.
	Windows WindowCount
	Ledger  profile.Coverage // of the type, all windows merged
	// Losses are those that no type can claim. Windows that did not arrive and
	// for which nobody gave a reason are entered as dropped,
	// window_not_yet_arrived or no_report.
	Losses []profile.Loss
	Time   Time
	Kernel Kernel
}

// Time is how long targets lived and were recorded.
type Time struct {
	Recorded time.Duration // sum of the spans that stored windows recorded
	Lived    time.Duration // sum of the lives of targets
	Covered  time.Duration // in which at least one target lived
}

func (t Time) add(o Time) Time {
	return Time{sum(t.Recorded, o.Recorded), sum(t.Lived, o.Lived), sum(t.Covered, o.Covered)}
}

// Targets is the mean number of targets that lived at a time, while any did.
func (t Time) Targets() float64 {
	if t.Covered <= 0 {
		return 0
	}
	return float64(t.Lived) / float64(t.Covered)
}

// PerSecond is the mean of a value per second of all targets together, over the
// time that was really recorded: what was lost does not look like idleness. It
// is false if nothing was recorded.
func (t Time) PerSecond(value int64) (float64, bool) {
	if t.Recorded <= 0 {
		return 0, false
	}
	return float64(value) / t.Recorded.Seconds() * max(t.Targets(), 1), true
}

// Kernel is the kernel's account of CPU time beside that of the profile, over
// the windows that have both.
type Kernel struct {
	Windows  int64
	Charged  time.Duration // by the kernel
	Profiled time.Duration // captured, with what was lost later
}

// WindowCount counts windows. Expected = Stored + Lost + Missing, where
// expected is what the targets should have sent between their first and their
// last window of the range, or until now if they still report. Windows that came count as
// they are, also those that are shorter or longer than usual; those that are missing are of
// the length that the target reports.
type WindowCount struct {
	Expected int64
	Stored   int64 // arrived with a ledger for the type, perhaps without any sample
	Lost     int64 // arrived as a reason why there is none
	Missing  int64 // did not arrive
	Pending  int64 // of Missing: so recent that they may still arrive
}

// CellStatus sums up a cell.
type CellStatus string

// The states of a cell.
const (
	CellNone    CellStatus = "none"    // no target existed
	CellOK      CellStatus = "ok"      // all windows, nothing lost
	CellPartial CellStatus = "partial" // something was lost
	CellLost    CellStatus = "lost"    // nothing was stored
	CellPending CellStatus = "pending" // nothing has arrived yet, and nothing is late
)

// Coverage is what a selection holds and what it lacks.
type Coverage struct {
	Account
	Targets int
	// Uncounted is set if there are more than Limits.Counted targets; the number
	// of expected windows is then too low.
	Uncounted bool
	Cost      Cost
}

// Sums are the merged stacks of selections of one service.
type Sums struct {
	Tree  *calltree.Tree // with a side for each selection
	Sides []Side
	Cost  Cost
}

// Side is what there is of a selection.
type Side struct {
	// Total is the sum over all stacks, also over those left out.
	Total profile.Amount
	// Elsewhere is what is in Total and not of the chosen threads.
	Elsewhere profile.Amount
	// Omitted is what is in Total and not in the tree: the lightest stacks
	// beyond Limits.Stacks or Limits.CacheBytes, and stacks whose frames are no
	// longer in the store.
	Omitted       profile.Amount
	OmittedStacks int64
	// Cut is what is in the tree in stacks without frames that had no room in
	// Limits.CacheBytes.
	Cut profile.Amount
	// Coverage is the account of the very windows that were summed.
	Coverage *Coverage
	// Excess is what Total has more than the ledgers say is stored, or less:
	// windows of which the store has samples twice, or lost some. It is zero
	// unless the store is damaged.
	Excess profile.Amount
}

// Health is the state of ClickHouse as the store sees it.
type Health struct {
	Reachable bool
	Error     string // why not, or why figures are missing
	Version   string
	Uptime    time.Duration
	Tables    []TableHealth
	// WriteError is why windows cannot be stored; empty if they can.
	WriteError string
	Room       Room
	// LastInsert is the duration of the latest successful insert, MeanInsert
	// that of the latest ones (exponentially weighted); zero if there was none.
	LastInsert, MeanInsert time.Duration
	Oldest                 time.Time // start of the oldest window; zero if there is none
	RollupBehind           int64     // closed hours of services of the last two days that wait for their roll-up
	Retention              time.Duration
}

// TableHealth is the size of a table.
type TableHealth struct {
	Table string `ch:"table"`
	Rows  uint64 `ch:"in_parts"`
	Parts uint64 `ch:"parts"` // active
	Bytes uint64 `ch:"bytes"` // on disk
}

// Event counts what ingest did with uploads.
type Event struct {
	Outcome EventOutcome
	Reason  profile.Reason // empty for what was simply accepted
	Windows int64
	Bytes   int64
	Samples int64
}

// EventOutcome is what became of an upload.
type EventOutcome string

// The outcomes of an upload.
const (
	Accepted  EventOutcome = "accepted"
	Duplicate EventOutcome = "duplicate"
	Truncated EventOutcome = "truncated"
	Dropped   EventOutcome = "dropped"
	Retryable EventOutcome = "retryable"
	Rejected  EventOutcome = "rejected"
)

// EventOutcomes returns all outcomes in display order.
func EventOutcomes() []EventOutcome {
	return []EventOutcome{Accepted, Duplicate, Truncated, Dropped, Retryable, Rejected}
}

// EventCell is the sum of the events of one step.
type EventCell struct {
	Start time.Time
	Event
}

// Result says what Insert did.
type Result struct {
	// Duplicate: the window had been stored before; nothing was written.
	Duplicate bool
	// Conflict: and what had been stored under its id differs from it.
	Conflict  bool
	Stored    map[profile.Type]profile.Amount // what the store has now
	Rows      int                             // of samples
	NewStacks int                             // that had not been written today
}
