package load

import (
	"fmt"
	"testing"

	"github.com/podflame/podflame/backend/profile"
)

// maxBackendMemory is what the process of the backend may take.
const maxBackendMemory = 512 // MiB

// TestHostileUploads: 32 uploads at a time, of windows at the limits in each
// direction. The backend stays within its memory, and another one's are taken.
func TestHostileUploads(t *testing.T) {
	b := startBackend(t)
	shapes := map[string]func(pod int) *profile.Window{
		"deep":   func(pod int) *profile.Window { return shaped(pod, 8_000, 2_000, 5, 40) },
		"wide":   func(pod int) *profile.Window { return shaped(pod, 49_000, 60, 40, 40) },
		"apart":  func(pod int) *profile.Window { return shaped(pod, 10_000, 300, 300, 40) },
		"names":  func(pod int) *profile.Window { return shaped(pod, 10_000, 20, 10, 3_000) },
		"honest": func(pod int) *profile.Window { return shaped(pod, 3_300, 60, 20, 40) },
	}
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			var bodies [][]byte
			for i, start := range minutes(2) {
				for pod := range 32 {
					bodies = append(bodies, encode(t, as(shape(1000*i+pod), target(name, 1000*i+pod), start))) // of its own, or it would be taken for another shape's
				}
			}
			largest := 0
			for _, body := range bodies {
				largest = max(largest, len(body))
			}
			b.begin(t)
			sent, refused := upload(t, b, 32, asSidecars, feed(bodies), false)
			b.report(t, sent, 0, fmt.Sprintf("32 at a time, the largest of %d bytes; %d refused; heap in use %.0f MiB", largest, refused, b.metrics(t)["go_memstats_heap_inuse_bytes"]/(1<<20)))
			if ours, _ := b.peaks(t); ours > maxBackendMemory {
				t.Errorf("the backend took %d MiB, more than %d", ours, maxBackendMemory)
			}
		})
	}
}

// shaped is the shape of a window, for as, with many stacks that have all but some
// frames in common.
func shaped(pod, stacks, depth, own, name int) *profile.Window {
	b := profile.NewBuilder(profile.CPU, profile.Limits{})
	common := make([]uint32, depth)
	for i := range common {
		common[i] = b.Function(fmt.Sprintf("a.Common%0*d.call", name, i), profile.Java)
	}
	others := make([]uint32, 997)
	for i := range others {
		others[i] = b.Function(fmt.Sprintf("b.Other%0*d.call", name, 1000*pod+i), profile.Java)
	}
	for i := range stacks {
		frames := common
		for j := range own {
			frames[depth-1-j] = others[(i/((j+1)*(j+1))+j*31)%len(others)]
		}
		b.Add(frames, profile.Amount{Value: 1e7, Count: 1})
	}
	set, coverage := b.Build()
	return &profile.Window{Sets: []profile.StackSet{set}, Coverage: []profile.Coverage{coverage}}
}
