package formats

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/podflame/podflame/backend/profile"
)

// The file format of speedscope, see
// https://github.com/jlfwong/speedscope/blob/main/src/lib/file-format-spec.ts.
type (
	speedscopeFile struct {
		Schema   string              `json:"$schema"`
		Exporter string              `json:"exporter"`
		Name     string              `json:"name"`
		Shared   speedscopeShared    `json:"shared"`
		Profiles []speedscopeProfile `json:"profiles"`
	}
	speedscopeShared struct {
		Frames []speedscopeFrame `json:"frames"`
	}
	speedscopeFrame struct {
		Name string `json:"name"`
		File string `json:"file,omitempty"` // speedscope colours by it
	}
	speedscopeProfile struct {
		Type       string     `json:"type"`
		Name       string     `json:"name"`
		Unit       string     `json:"unit"`
		StartValue int64      `json:"startValue"`
		EndValue   int64      `json:"endValue"`
		Samples    [][]uint32 `json:"samples"` // frames, root first
		Weights    []int64    `json:"weights"`
	}
)

// Speedscope writes two profiles, of values and of counts.
func Speedscope(out io.Writer, set *profile.StackSet, name string) error {
	file := speedscopeFile{Schema: "https://www.speedscope.app/file-format-schema.json", Exporter: "podflame", Name: name}
	file.Shared.Frames = make([]speedscopeFrame, len(set.Functions))
	for i, f := range set.Functions {
		file.Shared.Frames[i] = speedscopeFrame{f.Name, f.Kind.String()}
	}
	unit := "nanoseconds"
	if set.Type.Unit() == "bytes" {
		unit = "bytes"
	}
	samples := make([][]uint32, len(set.Stacks))
	for i, s := range set.Stacks {
		samples[i] = append([]uint32{}, s.Frames...)
	}
	of := func(name, unit string, number func(profile.Stack) int64) speedscopeProfile {
		p := speedscopeProfile{Type: "sampled", Name: name, Unit: unit, Samples: samples, Weights: make([]int64, len(set.Stacks))}
		for i, s := range set.Stacks {
			p.Weights[i] = number(s)
			p.EndValue += p.Weights[i]
		}
		return p
	}
	file.Profiles = []speedscopeProfile{
		of(string(set.Type), unit, func(s profile.Stack) int64 { return s.Value }),
		of(set.Type.CountUnit(), "none", func(s profile.Stack) int64 { return s.Count }),
	}
	if err := json.NewEncoder(out).Encode(file); err != nil {
		return fmt.Errorf("write speedscope: %w", err)
	}
	return nil
}
