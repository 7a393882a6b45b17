package profile

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"
	"unicode/utf8"
)

// Report is what a sidecar says about every target that it sees: the body of
// POST /api/v1/targets, as TargetReport in api/openapi.yaml. Fields are only
// ever added: sidecars live as long as their pods.
type Report struct {
	Instance   string         `json:"instance"` // id of the sidecar process
	Version    string         `json:"version"`  // of the sidecar
	ReportedAt time.Time      `json:"reportedAt"`
	Spool      Spool          `json:"spool"`
	Targets    []TargetReport `json:"targets"` // at most MaxReportTargets
}

// ReportAnswer is what the backend has to say to a report, if anything.
type ReportAnswer struct {
	// Paused is why the sidecar must not profile; empty if it may.
	Paused string `json:"paused,omitempty"`
}

// TargetReport is one target in a Report.
type TargetReport struct {
	Identity Target      `json:"identity"`
	State    TargetState `json:"state"`
}

// TargetState is how it goes with profiling a target.
type TargetState struct {
	State           State      `json:"state"`
	Reason          Reason     `json:"reason"` // empty while profiled without trouble
	Detail          string     `json:"detail"` // what exactly, e.g. the path of the other profiler's library
	Since           time.Time  `json:"since"`
	WindowSeconds   int        `json:"windowSeconds"` // length of a window
	Session         string     `json:"session"`
	Adopted         bool       `json:"adopted"` // the session was started by an earlier sidecar
	ProfilerVersion string     `json:"profilerVersion"`
	Engine          string     `json:"engine"`
	Events          []string   `json:"events"`
	Options         string     `json:"options"`
	LastWindowStart *time.Time `json:"lastWindowStart"` // nil until there was a window
	LastWindowEnd   *time.Time `json:"lastWindowEnd"`
	LastError       string     `json:"lastError"`
	StallNS         int64      `json:"stallNs"` // recording time lost to the last rotation
	// ReadWaitNS is how long the newest window waited for recordings of other JVMs
	// of the sidecar to be read.
	ReadWaitNS int64 `json:"readWaitNs,omitempty"`
	// Threads says whether samples keep the name of their thread group; nil from a
	// sidecar that does not know of names.
	Threads *bool `json:"threads,omitempty"`
}

// Spool is the state of a sidecar's disk queue.
type Spool struct {
	Windows        int     `json:"windows"` // that wait for upload
	Bytes          int64   `json:"bytes"`
	LimitBytes     int64   `json:"limitBytes"`
	OldestSeconds  float64 `json:"oldestSeconds"` // age of the oldest window that waits, or 0
	DroppedWindows int64   `json:"droppedWindows"`
	LastPushError  string  `json:"lastPushError"`
}

// State is the state of profiling a target.
type State string

// The states of a target.
const (
	StateWaiting  State = "waiting"  // will be profiled when the JVM is ready for it
	StateProfiled State = "profiled" // a session of ours is running
	StateConflict State = "conflict" // another profiler is active
	StateSkipped  State = "skipped"  // will not be profiled; the reason says why
	StateFailed   State = "failed"   // should be profiled and cannot be
	StateGone     State = "gone"     // the JVM has exited
)

// States returns all states in display order.
func States() []State {
	return []State{StateProfiled, StateWaiting, StateConflict, StateFailed, StateSkipped, StateGone}
}

// Limits of a Report.
const (
	MaxReportTargets = 64
	MaxReportText    = 4 << 10 // bytes of a detail, an error, the options
	MaxReportName    = 256     // bytes of any other string
	MaxReportEvents  = 16
)

// EncodeReport returns the wire form of a report.
func EncodeReport(r *Report) ([]byte, error) {
	wire := *r
	wire.Targets = append([]TargetReport{}, r.Targets...)
	for i := range wire.Targets {
		if wire.Targets[i].State.Events == nil {
			wire.Targets[i].State.Events = []string{}
		}
	}
	body, err := json.Marshal(&wire)
	if err != nil {
		return nil, fmt.Errorf("encode report of %s: %w", r.Instance, err)
	}
	return body, nil
}

// DecodeReport reads the wire form of a report. On any input it returns a
// report within the limits, or a *DecodeError. Fields that it does not know are
// skipped. The caller bounds the length of the input.
func DecodeReport(body []byte) (*Report, error) {
	var r Report
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, &DecodeError{Reason: Malformed, What: "report", Err: err}
	}
	if len(r.Targets) > MaxReportTargets {
		return nil, exceeded("targets of a report", len(r.Targets), MaxReportTargets)
	}
	if r.Instance == "" || r.ReportedAt.IsZero() {
		return nil, malformed("report has no instance or no reportedAt")
	}
	if err := checkTexts("report", MaxReportName, r.Instance, r.Version); err != nil {
		return nil, err
	}
	if err := checkTexts("lastPushError", MaxReportText, r.Spool.LastPushError); err != nil {
		return nil, err
	}
	s := r.Spool
	if s.Windows < 0 || s.Bytes < 0 || s.LimitBytes < 0 || s.DroppedWindows < 0 || s.OldestSeconds < 0 || s.OldestSeconds > math.MaxUint32 {
		return nil, malformed("spool has a negative amount, or an age above %d s", uint32(math.MaxUint32))
	}
	for i := range r.Targets {
		if err := r.Targets[i].check(); err != nil {
			return nil, err
		}
	}
	return &r, nil
}

func (t *TargetReport) check() error {
	id, s := &t.Identity, &t.State
	if id.Service == "" {
		return malformed("target of pod %q has no service", id.Pod)
	}
	if id.PID < 0 || id.PID > math.MaxInt32 || s.WindowSeconds < 0 || s.WindowSeconds > MaxWindowSeconds || s.StallNS < 0 || s.ReadWaitNS < 0 {
		return malformed("target %s/%d has a pid, windowSeconds, stallNs or readWaitNs out of range", id.Service, id.PID)
	}
	if !slices.Contains(States(), s.State) {
		return malformed("target %s/%d has the unknown state %.40q", id.Service, id.PID, s.State)
	}
	if len(s.Events) > MaxReportEvents {
		return exceeded("events of a target", len(s.Events), MaxReportEvents)
	}
	err := checkTexts("target", MaxReportName, append([]string{
		id.Cluster, id.Namespace, id.Service, id.Version, id.Pod, id.PodUID, id.Node, id.Container, id.JVMVersion,
		string(s.Reason), s.Session, s.ProfilerVersion, s.Engine,
	}, s.Events...)...)
	if err != nil {
		return err
	}
	return checkTexts("target", MaxReportText, id.MainClass, s.Detail, s.Options, s.LastError)
}

func checkTexts(what string, limit int, texts ...string) error {
	for _, text := range texts {
		if len(text) > limit {
			return exceeded("bytes of a text in "+what, len(text), limit)
		}
		if !utf8.ValidString(text) {
			return malformed("text %.40q in %s is not UTF-8", text, what)
		}
	}
	return nil
}
