package store

import (
	"time"

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
	Version string   // only targets of that version, unless empty
	Pods    []string // only these pods, unless empty; at most MaxSelected
	Series  []uint64 // only these targets (see profile.Target.SeriesID), unless empty; at most MaxSelected
}

// MaxSelected bounds the pods and the series of one Selection.
const MaxSelected = 1000

// Cost is what a read took.
type Cost struct {
	Queries   int
	RowsRead  uint64 // in ClickHouse
	BytesRead uint64 // in ClickHouse, decompressed
	Elapsed   time.Duration
}

// add enters another read.
func (c *Cost) add(o Cost) {
	c.Queries += o.Queries
	c.RowsRead += o.RowsRead
	c.BytesRead += o.BytesRead
	c.Elapsed += o.Elapsed
}

// Service is a service that sent windows in a range.
type Service struct {
	ServiceKey
	Versions    []string // sorted, at most MaxVersions
	Targets     int      // that sent windows
	Windows     int64    // that arrived, with and without samples
	FirstWindow time.Time
	LastWindow  time.Time // its end
	Types       []TypeTotal
}

// MaxVersions bounds Service.Versions.
const MaxVersions = 100

// TypeTotal is what a service stored of one type.
type TypeTotal struct {
	Type   profile.Type
	Stored profile.Amount
	Lost   profile.Amount // truncated and dropped
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
	LastWindow   time.Time // end of the last window that was made; zero if none
	ReportedAt   time.Time // set by the store
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
	Start time.Time
	// Windows is what was expected of all targets in the step and what came.
	Windows WindowCount
	Status  CellStatus
	Stored  profile.Amount
	// Losses holds the losses of the type and those that no type can claim,
	// merged by outcome and reason. Windows that did not arrive and for which
	// nobody gave a reason are entered as dropped, window_not_yet_arrived or
	// no_report.
	Losses []profile.Loss
}

// WindowCount counts windows. Expected = Stored + Lost + Missing, where
// expected is what the targets should have sent between their first and their
// last window of the range, or until now if they still report.
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
	Windows WindowCount
	Ledger  profile.Coverage // of the type, all windows merged
	Losses  []profile.Loss   // that no type can claim, and missing windows
	Targets int
	Cost    Cost
}

// Sums are the stacks of a selection, merged by stack id; the function names
// have not been read yet.
type Sums struct {
	// Set has the stacks in order of descending value. Functions has an entry
	// for each element of FunctionIDs, whose Name is empty until Named.
	Set         profile.StackSet
	StackIDs    []uint64 // parallel to Set.Stacks
	FunctionIDs []uint64 // parallel to Set.Functions
	// Total is the sum over all stacks, also over those left out.
	Total profile.Amount
	// Omitted is what is in Total and not in Set: the lightest stacks beyond
	// Limits.Stacks, and stacks whose frames are no longer in the store.
	Omitted       profile.Amount
	OmittedStacks int64
	Cost          Cost

	service string
	days    []time.Time
}

// Health is the state of ClickHouse as the store sees it.
type Health struct {
	Reachable bool
	Error     string // why not
	Version   string
	Uptime    time.Duration
	Tables    []TableHealth
	DiskFree  uint64 // bytes
	DiskTotal uint64
	// LastInsert is the duration of the latest successful insert, MeanInsert
	// that of the latest ones (exponentially weighted); zero if there was none.
	LastInsert, MeanInsert time.Duration
	Oldest                 time.Time // start of the oldest window; zero if there is none
	RollupBehind           int64     // closed hours of services of the last two days that wait for their roll-up
	Retention              time.Duration
}

// TableHealth is the size of a table.
type TableHealth struct {
	Table string
	Rows  uint64
	Parts uint64 // active
	Bytes uint64 // on disk
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
	Rows      int // of samples
	NewStacks int // that had not been written today
}
