package api

import (
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/reason"
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

// Told is what is to be known of samples that are not as they were, or not
// there. The lists are not nil.
type Told struct {
	Losses      []Loss `json:"losses"`      // of captured samples: they sum to truncated and dropped
	NotCaptured []Loss `json:"notCaptured"` // time and samples that nobody recorded: in no sum
	Notices     []Loss `json:"notices"`     // of what is stored: in no sum
}

// Tell sorts the losses of a type and those that no type can claim.
func Tell(ofType, unclaimed []profile.Loss) Told {
	var losses, notices []profile.Loss
	for _, l := range ofType {
		switch l.Outcome {
		case profile.Truncated, profile.Dropped:
			losses = append(losses, l)
		default:
			notices = append(notices, l)
		}
	}
	return Told{Losses: Losses(losses), NotCaptured: Losses(unclaimed), Notices: Losses(notices)}
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
	Told
	Mean
	KernelCPU *KernelCPU `json:"kernelCpu"` // nil if it is not known, or the type is not cpu
}

// Mean is a mean over the time that was really recorded.
type Mean struct {
	RecordedSeconds float64  `json:"recordedSeconds"` // sum of the spans of the stored windows, over all targets
	MeanTargets     float64  `json:"meanTargets"`     // that lived at a time
	PerSecond       *float64 `json:"perSecond"`       // value per second of all targets together, nil if nothing was recorded or no value is known
}

// KernelCPU is the CPU time that the kernel charged to the processes, over the
// windows of which it is known, and what the profile captured in these.
type KernelCPU struct {
	Windows    int64 `json:"windows"`
	ChargedNS  int64 `json:"chargedNs"`
	ProfiledNS int64 `json:"profiledNs"`
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
	Status    string                          `json:"status"`           // Accepted or Duplicate
	Reason    profile.Reason                  `json:"reason,omitempty"` // IDConflict: what is stored is not what was sent
	Stored    map[profile.Type]profile.Amount `json:"stored"`           // under the id, whoever sent it
	Truncated map[profile.Type]profile.Amount `json:"truncated"`        // what the backend itself cut
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
	LastWindowEnd *time.Time     `json:"lastWindowEnd"`
	WindowSeconds int            `json:"windowSeconds"`
	Types         []ServiceType  `json:"types"`
	Told                         // of all types: without values, as they have no unit in common
}

// ServiceType is what a service stored of one type. Spark is the value per
// second in equal slices of the range, nil where no window was stored. Where some
// samples have no value, Total.Value and the rates are the least that they can be.
type ServiceType struct {
	Type     profile.Type   `json:"type"`
	Unit     string         `json:"unit"`
	Total    profile.Amount `json:"total"`
	Unvalued int64          `json:"unvalued"` // of Total.Count: samples without a value
	Mean
	Spark []*float64 `json:"spark"`
}

// Services is a list of services.
type Services struct {
	Range     Range     `json:"range"`
	Services  []Service `json:"services"`
	Truncated bool      `json:"truncated"` // there are more services or targets than are listed or counted
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
	// By is what Parts are of: version, pod, container, node, or empty for none.
	By         string `json:"by"`
	Parts      []Part `json:"parts"`      // heaviest first
	OtherParts int    `json:"otherParts"` // parts beyond the limit
}

// Part is what the targets of one version, pod, container or node stored.
type Part struct {
	Name    string         `json:"name"`
	Total   profile.Amount `json:"total"`
	Values  []int64        `json:"values"` // by point
	Counts  []int64        `json:"counts"`
	Windows []int64        `json:"windows"` // stored; 0 where nothing is known
}

// Heatmap is what each window of a range stored, to be drawn in columns of Rows
// windows. Nil is where no window was stored.
type Heatmap struct {
	Range         Range        `json:"range"`
	Type          profile.Type `json:"type"`
	Unit          string       `json:"unit"`
	CountUnit     string       `json:"countUnit"`
	Start         time.Time    `json:"start"` // of the first window
	WindowSeconds int64        `json:"windowSeconds"`
	Rows          int          `json:"rows"`
	Values        []*int64     `json:"values"` // by window, in order of time
	Counts        []*int64     `json:"counts"`
	PerSecond     []*float64   `json:"perSecond"`
	Coverage      Coverage     `json:"coverage"`
}

// Point is one step of a timeline.
type Point struct {
	Start     time.Time `json:"start"`
	Value     int64     `json:"value"`
	Count     int64     `json:"count"`
	PerSecond *float64  `json:"perSecond"` // nil if nothing was recorded
	Windows   Windows   `json:"windows"`
	Status    Status    `json:"status"`
	Told
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

// Flame is a pruned call tree. Total = the sum of Values and Counts + Outside.
type Flame struct {
	Range     Range        `json:"range"`
	Type      profile.Type `json:"type"`
	Unit      string       `json:"unit"`
	CountUnit string       `json:"countUnit"`
	Graph
	Total    profile.Amount `json:"total"`
	Outside  profile.Amount `json:"outside"` // of filters, or of the function asked for
	Nodes    int            `json:"nodes"`
	Omitted  OmittedNodes   `json:"omitted"`
	Coverage Coverage       `json:"coverage"`
	Scanned  Scanned        `json:"scanned"`
}

// Diff is a call tree with the amounts of two selections.
type Diff struct {
	Type         profile.Type `json:"type"`
	Unit         string       `json:"unit"`
	CountUnit    string       `json:"countUnit"`
	Functions    Names        `json:"functions"` // columns as in Graph
	Kinds        Kinds        `json:"kinds"`
	Parents      Parents      `json:"depths"`
	Frames       []int32      `json:"frames"`
	Base         DiffSide     `json:"base"`
	Head         DiffSide     `json:"head"`
	Nodes        int          `json:"nodes"`
	OmittedNodes int          `json:"omittedNodes"`
	Scanned      Scanned      `json:"scanned"`
}

// DiffSide is a selection of a Diff. Amounts are absolute: divided by
// RecordedSeconds they can be compared, however long each side is and whatever
// it lost.
type DiffSide struct {
	Range    Range          `json:"range"`
	Values   []int64        `json:"values"` // as in Graph
	Counts   []int64        `json:"counts"`
	Total    profile.Amount `json:"total"`
	Outside  profile.Amount `json:"outside"` // of filters
	Omitted  profile.Amount `json:"omitted"` // in nodes of kind omitted
	Coverage Coverage       `json:"coverage"`
}

// Changes are the functions that take another share of the profile than in the
// base, and are not so by chance.
type Changes struct {
	Type      profile.Type `json:"type"`
	Unit      string       `json:"unit"`
	CountUnit string       `json:"countUnit"`
	Base      ChangesSide  `json:"base"`
	Head      ChangesSide  `json:"head"`
	Enough    bool         `json:"enough"` // whether there is enough data to say anything
	Level     float64      `json:"level"`  // chance of any false alarm in the comparison
	Tested    int          `json:"tested"` // shares that were compared
	Changes   []Change     `json:"changes"`
	Omitted   int          `json:"omitted"` // changes beyond the limit, smaller ones
	Scanned   Scanned      `json:"scanned"`
}

// ChangesSide is a side of Changes.
type ChangesSide struct {
	Range    Range          `json:"range"`
	Versions []string       `json:"versions"` // that it was narrowed to; empty for all
	Blocks   int            `json:"blocks"`   // of pods and time, which the variance is taken over
	Total    profile.Amount `json:"total"`
	Outside  profile.Amount `json:"outside"` // of Total: what filters leave out
	Coverage Coverage       `json:"coverage"`
}

// Change is a function whose share is another one. Shares are from 0 to 1.
type Change struct {
	Name    string  `json:"name"`
	Kind    string  `json:"kind"`
	Measure string  `json:"measure"` // self or total
	Base    float64 `json:"base"`
	Head    float64 `json:"head"`
	Low     float64 `json:"low"`    // of head - base: 95 % confidence interval
	High    float64 `json:"high"`   // likewise
	Chance  float64 `json:"chance"` // of a change as clear anywhere in a comparison of equals
}

// Verdict is what a comparison of two versions comes to.
type Verdict string

// The verdicts.
const (
	Better   Verdict = "better"
	Same     Verdict = "same"
	Worse    Verdict = "worse"
	TooEarly Verdict = "not_enough_data"
)

// Verdicts returns all verdicts in display order.
func Verdicts() []Verdict { return []Verdict{Worse, Better, Same, TooEarly} }

// Regression is the verdict on the newest version of a service.
type Regression struct {
	Cluster   string  `json:"cluster"`
	Namespace string  `json:"namespace"`
	Service   string  `json:"service"`
	Version   string  `json:"version"` // the newest
	Before    string  `json:"before"`  // what it is compared to
	Verdict   Verdict `json:"verdict"`
	// Growth is of the CPU time for the work that did not change: 0.1 is a tenth
	// more. It is 0 unless the verdict is better or worse.
	Growth    float64     `json:"growth"`
	Functions []Change    `json:"functions"` // that explain the verdict, the largest first
	Base      ChangesSide `json:"base"`
	Head      ChangesSide `json:"head"`
	Evaluated time.Time   `json:"evaluated"`
}

// Regressions are the verdicts that this backend has.
type Regressions struct {
	Regressions []Regression `json:"regressions"` // worse first, largest growth first
	Truncated   bool         `json:"truncated"`   // there are more services than are looked at
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
	Outside   profile.Amount   `json:"outside"` // of filters
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

// FleetTop is the table of functions over all services that a reader may see.
// Total, PerSecond and Unread are of all of them, what else there is of those
// that were read.
type FleetTop struct {
	Range     Range           `json:"range"`
	Type      profile.Type    `json:"type"`
	Unit      string          `json:"unit"`
	CountUnit string          `json:"countUnit"`
	Total     profile.Amount  `json:"total"`
	PerSecond *float64        `json:"perSecond"` // the means of services added up; nil if none is known
	Services  int             `json:"services"`  // that were read
	Unread    FleetUnread     `json:"unread"`
	Outside   profile.Amount  `json:"outside"` // of filters
	Functions []FleetFunction `json:"functions"`
	// Omitted are functions of the services that were read: the sum of the rows'
	// self, of Omitted, Outside and Unread is the total.
	Omitted   OmittedFunctions `json:"omitted"`
	Price     Price            `json:"price"`
	Truncated bool             `json:"truncated"` // there are more services than are known here
	Coverage  Coverage         `json:"coverage"`
	Scanned   Scanned          `json:"scanned"`
}

// FleetUnread are services whose stacks were not read: the lightest, or those
// that would take too much.
type FleetUnread struct {
	Services int            `json:"services"`
	Total    profile.Amount `json:"total"`
}

// FleetFunction is a row of FleetTop.
type FleetFunction struct {
	Name     string         `json:"name"`
	Kind     string         `json:"kind"`
	Self     profile.Amount `json:"self"`
	Total    profile.Amount `json:"total"`
	Services int            `json:"services"` // that have it
	Most     FleetService   `json:"most"`
}

// FleetService is the service in which a function takes most.
type FleetService struct {
	Cluster   string         `json:"cluster"`
	Namespace string         `json:"namespace"`
	Service   string         `json:"service"`
	Self      profile.Amount `json:"self"`
	Total     profile.Amount `json:"total"`
}

// Price is what CPUs cost; PerCoreHour is 0 if nobody said it.
type Price struct {
	PerCoreHour float64 `json:"perCoreHour"`
	Currency    string  `json:"currency"`
}

// IngestHealth is how ingest and store are.
type IngestHealth struct {
	Since              time.Time     `json:"since"`
	Store              StoreHealth   `json:"store"`
	Accepted           int64         `json:"accepted"`
	Duplicates         int64         `json:"duplicates"`
	Rejected           []ReasonCount `json:"rejected"`
	Retryable          []ReasonCount `json:"retryable"`
	Refusals           []Refusal     `json:"refusals"` // the latest first
	Losses             []Loss        `json:"losses"`
	BytesInFlight      int64         `json:"bytesInFlight"`
	BytesInFlightLimit int64         `json:"bytesInFlightLimit"`
}

// IngestHistory is what became of uploads over time.
type IngestHistory struct {
	Range       Range          `json:"range"`
	Start       time.Time      `json:"start"` // of the first step
	StepSeconds int64          `json:"stepSeconds"`
	Steps       int            `json:"steps"`
	Events      []IngestEvents `json:"events"`
}

// IngestEvents are the events of one outcome and reason, by step.
type IngestEvents struct {
	Outcome string `json:"outcome"`
	profile.ReasonText
	Routine bool    `json:"routine"` // no cause for alarm by itself
	Windows []int64 `json:"windows"`
	Samples []int64 `json:"samples"`
}

// StoreHealth is how ClickHouse is.
type StoreHealth struct {
	Available     bool           `json:"available"`
	Mode          string         `json:"mode"` // embedded or external
	Version       string         `json:"version"`
	Reason        profile.Reason `json:"reason"`
	Message       string         `json:"message"`
	Ended         *StoreEnded    `json:"ended"` // nil if it did not
	InsertP50MS   float64        `json:"insertP50Ms"`
	InsertP99MS   float64        `json:"insertP99Ms"`
	ActiveParts   uint64         `json:"activeParts"`
	DiskFreeBytes uint64         `json:"diskFreeBytes"`
	DiskUsedBytes uint64         `json:"diskUsedBytes"`
	// DiskLimitBytes is how much may be used before the oldest day is given up; 0
	// if there is no limit.
	DiskLimitBytes uint64       `json:"diskLimitBytes"`
	GivenUp        []GivenUpDay `json:"givenUp"`
	// KeptSeconds is how long data is kept, and the longest range that is answered.
	KeptSeconds int64 `json:"keptSeconds"`
}

// GivenUpDay is a day whose samples were removed to make room.
type GivenUpDay struct {
	Day    string         `json:"day"` // YYYY-MM-DD, UTC
	Bytes  uint64         `json:"bytes"`
	At     time.Time      `json:"at"`
	Reason profile.Reason `json:"reason"`
}

// StoreEnded is how the ClickHouse inside ended by itself.
type StoreEnded struct {
	Count int64     `json:"count"`
	Last  time.Time `json:"last"`
	How   string    `json:"how"`
}

// IngestStorage is what profiles take on disk.
type IngestStorage struct {
	Days      []StoredDay     `json:"days"` // the oldest first
	Services  []StoredService `json:"services"`
	Truncated bool            `json:"truncated"` // there are more services
}

// StoredDay is what a day takes.
type StoredDay struct {
	Day     string `json:"day"` // YYYY-MM-DD, UTC
	Bytes   uint64 `json:"bytes"`
	Samples uint64 `json:"samples"`
}

// StoredService is what a service takes: the bytes of each day, shared out by
// samples.
type StoredService struct {
	Cluster   string   `json:"cluster"`
	Namespace string   `json:"namespace"`
	Service   string   `json:"service"`
	Bytes     uint64   `json:"bytes"`
	Days      []uint64 `json:"days"`
}

// ReasonCount counts uploads by reason.
type ReasonCount struct {
	profile.ReasonText
	Count int64 `json:"count"`
}

// Refusal counts the uploads of one sender that were refused for one reason. It
// is a pod where the token said so, else an address.
type Refusal struct {
	ReasonCount
	Namespace string    `json:"namespace"` // empty if the pod is not known
	Pod       string    `json:"pod"`       // empty if it is not known
	Address   string    `json:"address"`   // that the latest came from
	Message   string    `json:"message"`   // of the latest
	Last      time.Time `json:"last"`
}

// Reasons is the text of every reason.
type Reasons struct {
	Reasons []profile.ReasonText `json:"reasons"`
}

// Login is what people send to log in.
type Login struct {
	Token string `json:"token"`
}

// Session is who is reading, and what he may see.
type Session struct {
	Auth       string              `json:"auth"` // how people log in: none, token or kubernetes
	LoggedIn   bool                `json:"loggedIn"`
	User       string              `json:"user"`       // empty unless logged in
	By         string              `json:"by"`         // nothing, token, session or proxy
	Expires    *time.Time          `json:"expires"`    // nil if it does not
	Everything bool                `json:"everything"` // sees every namespace
	Namespaces []string            `json:"namespaces"` // unless Everything: those he sees
	Audience   string              `json:"audience"`   // of the token to log in with
	Reason     *profile.ReasonText `json:"reason"`     // why what was shown does not do, nil if nothing was
}

// InjectionState is whether it is known how pods were injected.
type InjectionState string

// The states.
const (
	InjectionKnown      InjectionState = "known"
	InjectionUnknown    InjectionState = "unknown"     // the webhook did not answer
	InjectionNotWatched InjectionState = "not_watched" // no webhook is configured
)

// Injection is what the webhook's audit tells.
type Injection struct {
	State     InjectionState `json:"state"`
	Message   string         `json:"message"`   // why it is not known, or empty
	At        time.Time      `json:"at"`        // when the audit was made
	Pods      []InjectionPod `json:"pods"`      // with something to tell, by namespace and name
	Truncated bool           `json:"truncated"` // there are more, in some namespace
}

// InjectionPod is a pod that opted in and has no sidecar, or one in trouble.
type InjectionPod struct {
	Namespace string      `json:"namespace"`
	Service   string      `json:"service"` // that the pod is or would be called
	Pod       string      `json:"pod"`
	OwnerKind string      `json:"ownerKind"`
	OwnerName string      `json:"ownerName"`
	CreatedAt time.Time   `json:"createdAt"`
	Reason    reason.Text `json:"reason"`
	Detail    string      `json:"detail"`
}
