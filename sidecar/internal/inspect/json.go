package inspect

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

// document is the JSON form of a recording.
type document struct {
	File     string           `json:"file"`
	Bytes    int64            `json:"bytes"`
	Chunks   int              `json:"chunks"` // that were read, at least in part
	Start    *time.Time       `json:"start,omitempty"`
	End      *time.Time       `json:"end,omitempty"`
	Settings settingsDocument `json:"settings"`
	Types    []typeDocument   `json:"types"`
	Losses   []lossDocument   `json:"losses"` // that no type can claim
	Unread   map[string]int64 `json:"unread,omitempty"`
	Problems []string         `json:"problems,omitempty"`
}

type settingsDocument struct {
	Engine          string `json:"engine,omitempty"`
	CPUIntervalNs   int64  `json:"cpuIntervalNs,omitempty"`
	AllocInterval   int64  `json:"allocIntervalBytes,omitempty"`
	LockThresholdNs int64  `json:"lockThresholdNs,omitempty"`
	WallIntervalNs  int64  `json:"wallIntervalNs,omitempty"`
	TickNs          int64  `json:"tickNs,omitempty"`

	NativeInterval    int64 `json:"nativeIntervalBytes,omitempty"`
	NativeThresholdNs int64 `json:"nativeThresholdNs,omitempty"`
}

type typeDocument struct {
	Type      string             `json:"type"`
	Unit      string             `json:"unit"`
	CountUnit string             `json:"countUnit"`
	Coverage  coverageDocument   `json:"coverage"`
	Functions []functionDocument `json:"functions"`
	Stacks    []stackDocument    `json:"stacks"`
}

type functionDocument struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
}

// stackDocument has its frames root first, as indexes of functions.
type stackDocument struct {
	Frames []uint32 `json:"frames"`
	Thread string   `json:"thread,omitempty"` // group
	Value  int64    `json:"value"`
	Count  int64    `json:"count"`
}

type coverageDocument struct {
	Captured profile.Amount `json:"captured"`
	Stored   profile.Amount `json:"stored"`
	Raw      int64          `json:"raw"`
	Losses   []lossDocument `json:"losses"`
}

type lossDocument struct {
	Outcome string         `json:"outcome"`
	Reason  profile.Reason `json:"reason"`
	Value   int64          `json:"value,omitempty"`
	Count   int64          `json:"count,omitempty"`
	Bytes   int64          `json:"bytes,omitempty"`
}

func (r *recording) writeJSON(out io.Writer) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(r.document()); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

func (r *recording) document() document {
	s := r.result.Settings
	d := document{
		File: r.req.Path, Bytes: r.size, Chunks: r.result.Chunks,
		Settings: settingsDocument{s.Engine, int64(s.CPUInterval), s.AllocInterval, int64(s.LockThreshold), int64(s.WallInterval), int64(s.Tick), s.NativeInterval, int64(s.NativeThreshold)},
		Types:    []typeDocument{}, Losses: losses(r.losses), Unread: r.result.Unread, Problems: r.result.Problems,
	}
	if recorded := r.result.Recorded; !recorded.Start.IsZero() {
		d.Start, d.End = &recorded.Start, &recorded.End
	}
	shown := r.shown()
	for i := range shown {
		d.Types = append(d.Types, r.typeDocument(&shown[i]))
	}
	return d
}

func (r *recording) typeDocument(c *profile.Coverage) typeDocument {
	d := typeDocument{
		Type: r.name(c.Type), Unit: r.unit(c.Type), CountUnit: r.countUnit(c.Type),
		Coverage:  coverageDocument{c.Captured, c.Stored, c.Raw, losses(c.Losses)},
		Functions: []functionDocument{}, Stacks: []stackDocument{},
	}
	set := r.set(c.Type)
	if set == nil {
		return d
	}
	for _, f := range set.Functions {
		d.Functions = append(d.Functions, functionDocument{f.Name, f.Kind.String()})
	}
	for _, s := range set.Stacks {
		d.Stacks = append(d.Stacks, stackDocument(s))
	}
	return d
}

func losses(list []profile.Loss) []lossDocument {
	out := []lossDocument{}
	for _, l := range list {
		out = append(out, lossDocument{l.Outcome.String(), l.Reason, l.Value, l.Count, l.Bytes})
	}
	return out
}
