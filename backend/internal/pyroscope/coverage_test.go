package pyroscope

import (
	"testing"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
)

func TestCoverageIsTold(t *testing.T) {
	of := func(codes ...profile.Reason) (list []profile.Loss) {
		for _, code := range codes {
			list = append(list, profile.Loss{Outcome: profile.Noticed, Reason: code, Count: 1})
		}
		return list
	}
	for name, c := range map[string]struct {
		coverage   api.Coverage
		root, note string
	}{
		"all is there": {api.Coverage{}, "total", "complete"},
		"what is routine is not told": {
			api.Coverage{Told: api.Told{NotCaptured: api.Losses(of(profile.JVMStarting)), Notices: api.Losses(of(profile.SamplingAdapted))}},
			"total", "complete",
		},
		"something is missing": {
			api.Coverage{Windows: api.Windows{Expected: 4, Stored: 3}, Told: api.Told{NotCaptured: api.Losses(of(profile.SidecarRestarted, profile.SidecarRestarted))}},
			"total [incomplete: 1 of 4 windows missing; sidecar_restarted]", "1 of 4 windows missing; sidecar_restarted",
		},
		"stacks have no room": {
			api.Coverage{Told: api.Told{Notices: api.Losses(of(profile.StacksCut, profile.TargetsUncounted))}},
			"total [notices: stacks_cut, targets_uncounted]", "complete; notices: stacks_cut, targets_uncounted",
		},
		"both": {
			api.Coverage{
				Captured: profile.Amount{Count: 9}, Dropped: profile.Amount{Count: 2},
				Told: api.Told{Losses: api.Losses(of(profile.SpoolFull)), Notices: api.Losses(of(profile.StacksCut))},
			},
			"total [incomplete: 2 of 9 samples lost; spool_full; notices: stacks_cut]", "2 of 9 samples lost; spool_full; notices: stacks_cut",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if root := rootName(c.coverage); root != c.root {
				t.Errorf("the root is %q, want %q", root, c.root)
			}
			if note := coverageNote(c.coverage); note != c.note {
				t.Errorf("the header is %q, want %q", note, c.note)
			}
		})
	}
}
