package agent

import "github.com/podflame/podflame/backend/profile"

// manyFrames make a window large: decoded and encoded it takes megabytes, of which
// the collector would keep the memory for minutes, beside what the child needs that
// reads the next one. So it is given back to the system at once.
const manyFrames = 100_000

func isLarge(w *profile.Window) bool {
	frames := 0
	for i := range w.Sets {
		for _, s := range w.Sets[i].Stacks {
			frames += len(s.Frames)
		}
	}
	return frames > manyFrames
}
