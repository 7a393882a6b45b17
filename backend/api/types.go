package api

import (
	"time"

	"github.com/podflame/podflame/backend/profile"
)

// Range is a span of time, From inclusive, To exclusive.
type Range struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Seconds is the length of the range.
func (r Range) Seconds() int64 { return int64(r.To.Sub(r.From) / time.Second) }

// Loss is a profile.Loss with its text.
type Loss struct {
	Outcome    string         `json:"outcome"`
	Reason     profile.Reason `json:"reason"`
	Text       string         `json:"text"`
	Remedy     string         `json:"remedy"`
	Routine    bool           `json:"routine"` // no cause for alarm by itself
	Value      int64          `json:"value"`
	Count      int64          `json:"count"`
	DurationNS int64          `json:"durationNs"`
	Bytes      int64          `json:"bytes"`
}

// Losses explains losses to a user. The result is not nil.
func Losses(list []profile.Loss) []Loss {
	out := make([]Loss, 0, len(list))
	for _, l := range list {
		text := profile.Explain(l.Reason)
		out = append(out, Loss{
			Outcome: l.Outcome.String(), Reason: l.Reason, Text: text.Text, Remedy: text.Remedy, Routine: l.Reason.Routine(),
			Value: l.Value, Count: l.Count, DurationNS: int64(l.Duration), Bytes: l.Bytes,
		})
	}
	return out
}

// Windows counts windows: expected - stored - lost have not arrived.
type Windows struct {
	Expected int64 `json:"expected"`
	Stored   int64 `json:"stored"`
	Lost     int64 `json:"lost"`
}

// Coverage is the ledger of a range: captured = stored + truncated + dropped.
type Coverage struct {
	Windows   Windows        `json:"windows"`
	Captured  profile.Amount `json:"captured"`
	Stored    profile.Amount `json:"stored"`
	Truncated profile.Amount `json:"truncated"`
	Dropped   profile.Amount `json:"dropped"`
	Losses    []Loss         `json:"losses"`
}

// Scanned is what a query read in ClickHouse.
type Scanned struct {
	Rows      uint64  `json:"rows"`
	Bytes     uint64  `json:"bytes"`
	ElapsedMS float64 `json:"elapsedMs"`
}

// Receipt says that ClickHouse has a window.
type Receipt struct {
	ID        profile.WindowID                `json:"id"`
	Status    string                          `json:"status"` // Accepted or Duplicate
	Stored    map[profile.Type]profile.Amount `json:"stored"`
	Truncated map[profile.Type]profile.Amount `json:"truncated"` // what the backend itself cut
}

// The states of a Receipt.
const (
	Accepted  = "accepted"
	Duplicate = "duplicate"
)

// Target is the latest that is known of a target.
type Target struct {
	Series         string              `json:"series"`
	Identity       profile.Target      `json:"identity"`
	State          profile.TargetState `json:"state"`
	Reason         *profile.ReasonText `json:"reason"` // text of State.Reason, nil if that is empty
	Spool          profile.Spool       `json:"spool"`
	Sidecar        string              `json:"sidecar"`
	SidecarVersion string              `json:"sidecarVersion"`
	ReportedAt     time.Time           `json:"reportedAt"`
	Silent         bool                `json:"silent"`
}

// Targets is a list of targets.
type Targets struct {
	Targets   []Target `json:"targets"`
	Truncated bool     `json:"truncated"`
}

// Silent is the state under which Service.Targets counts silent targets.
const Silent = "silent"

// Service is a service that has windows or targets in a range.
type Service struct {
	Cluster       string         `json:"cluster"`
	Namespace     string         `json:"namespace"`
	Service       string         `json:"service"`
	Versions      []string       `json:"versions"`
	Targets       map[string]int `json:"targets"` // number by state
	Windows       Windows        `json:"windows"`
	LastWindow    *time.Time     `json:"lastWindow"`
	WindowSeconds int            `json:"windowSeconds"`
	Types         []ServiceType  `json:"types"`
	Losses        []Loss         `json:"losses"`
}

// ServiceType is what a service stored of one type. Spark is the value per
// second in equal slices of the range, nil where no window was stored.
type ServiceType struct {
	Type  profile.Type   `json:"type"`
	Unit  string         `json:"unit"`
	Total profile.Amount `json:"total"`
	Spark []*float64     `json:"spark"`
}

// Services is a list of services.
type Services struct {
	Range     Range     `json:"range"`
	Services  []Service `json:"services"`
	Truncated bool      `json:"truncated"`
}

// Series is the timeline of a service.
type Series struct {
	Range       Range        `json:"range"`
	Type        profile.Type `json:"type"`
	Unit        string       `json:"unit"`
	CountUnit   string       `json:"countUnit"`
	StepSeconds int64        `json:"stepSeconds"`
	Targets     int          `json:"targets"`
	Points      []Point      `json:"points"`
	Coverage    Coverage     `json:"coverage"`
}

// Point is one step of a timeline.
type Point struct {
	Start   time.Time `json:"start"`
	Value   int64     `json:"value"`
	Count   int64     `json:"count"`
	Windows Windows   `json:"windows"`
	Status  Status    `json:"status"`
	Losses  []Loss    `json:"losses"`
}

// Status sums up a Point.
type Status string

// The states of a Point.
const (
	Complete Status = "complete" // every expected window stored without a loss
	Partial  Status = "partial"  // stored, but windows or samples are missing
	Lost     Status = "lost"     // none stored, the reasons are in Losses
	Pending  Status = "pending"  // not arrived yet
	None     Status = "none"     // no target was expected
)

// Flame is a pruned stack set in columns.
type Flame struct {
	Range     Range          `json:"range"`
	Type      profile.Type   `json:"type"`
	Unit      string         `json:"unit"`
	CountUnit string         `json:"countUnit"`
	Functions []string       `json:"functions"`
	Kinds     []string       `json:"kinds"`
	Frames    [][]uint32     `json:"frames"`
	Values    []int64        `json:"values"`
	Counts    []int64        `json:"counts"`
	Total     profile.Amount `json:"total"`
	Nodes     int            `json:"nodes"`
	Omitted   OmittedNodes   `json:"omitted"`
	Coverage  Coverage       `json:"coverage"`
	Scanned   Scanned        `json:"scanned"`
}

// OmittedNodes is what the limit of nodes, and of stacks read, cut off.
type OmittedNodes struct {
	Nodes int   `json:"nodes"`
	Value int64 `json:"value"`
	Count int64 `json:"count"`
}

// Top is the table of functions.
type Top struct {
	Range     Range            `json:"range"`
	Type      profile.Type     `json:"type"`
	Unit      string           `json:"unit"`
	CountUnit string           `json:"countUnit"`
	Total     profile.Amount   `json:"total"`
	Functions []TopFunction    `json:"functions"`
	Omitted   OmittedFunctions `json:"omitted"`
	Coverage  Coverage         `json:"coverage"`
	Scanned   Scanned          `json:"scanned"`
}

// TopFunction is a row of Top. Total counts a sample once, however often the
// function is in its stack.
type TopFunction struct {
	Name  string         `json:"name"`
	Kind  string         `json:"kind"`
	Self  profile.Amount `json:"self"`
	Total profile.Amount `json:"total"`
}

// OmittedFunctions is what is not in the rows of Top: the sum of the rows' self
// and of Self is the total.
type OmittedFunctions struct {
	Functions int            `json:"functions"`
	Self      profile.Amount `json:"self"`
}

// IngestHealth is how ingest and store are.
type IngestHealth struct {
	Since              time.Time     `json:"since"`
	Store              StoreHealth   `json:"store"`
	Accepted           int64         `json:"accepted"`
	Duplicates         int64         `json:"duplicates"`
	Rejected           []ReasonCount `json:"rejected"`
	Retryable          []ReasonCount `json:"retryable"`
	Losses             []Loss        `json:"losses"`
	BytesInFlight      int64         `json:"bytesInFlight"`
	BytesInFlightLimit int64         `json:"bytesInFlightLimit"`
}

// StoreHealth is how ClickHouse is.
type StoreHealth struct {
	Available     bool           `json:"available"`
	Mode          string         `json:"mode"` // embedded or external
	Version       string         `json:"version"`
	Reason        profile.Reason `json:"reason"`
	Message       string         `json:"message"`
	InsertP50MS   float64        `json:"insertP50Ms"`
	InsertP99MS   float64        `json:"insertP99Ms"`
	ActiveParts   uint64         `json:"activeParts"`
	DiskFreeBytes uint64         `json:"diskFreeBytes"`
	DiskUsedBytes uint64         `json:"diskUsedBytes"`
}

// ReasonCount counts uploads by reason.
type ReasonCount struct {
	profile.ReasonText
	Count int64 `json:"count"`
}

// Reasons is the text of every reason.
type Reasons struct {
	Reasons []profile.ReasonText `json:"reasons"`
}
