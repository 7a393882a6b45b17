package recording

import "time"

// Grid is how a recording is cut into windows: at multiples of the window's
// length since 1970, the same in every pod.
type Grid struct {
	Window time.Duration
	// Cut ends the window in which it lies early, and begins the next one, so
	// that the first data of a session need not wait for the end of a window.
	// Zero for none.
	Cut time.Time
	// Through is the end of the last window that was made. No window begins
	// before it, also after a change of Window: so none is made twice.
	Through time.Time
}

// Floor is the boundary of windows at or before t.
func Floor(t time.Time, window time.Duration) time.Time {
	step := int64(window / time.Second)
	seconds := t.Unix()
	return time.Unix(seconds-seconds%step, 0).UTC()
}

// Ceil is the boundary of windows after t.
func Ceil(t time.Time, window time.Duration) time.Time { return Floor(t, window).Add(window) }

// Next is the end of the window in which t lies.
func (g Grid) Next(t time.Time) time.Time {
	_, end := g.around(t)
	return end
}

// around is the window in which t lies, or the first one if t lies before it.
func (g Grid) around(t time.Time) (start, end time.Time) {
	if t.Before(g.Through) {
		t = g.Through
	}
	start, end = Floor(t, g.Window), Ceil(t, g.Window)
	if g.Cut.After(start) && g.Cut.Before(end) {
		if t.Before(g.Cut) {
			end = g.Cut
		} else {
			start = g.Cut
		}
	}
	if start.Before(g.Through) {
		start = g.Through
	}
	return start.UTC(), end.UTC()
}

// border is the border of windows nearest to t.
func (g Grid) border(t time.Time) time.Time {
	start, end := g.around(t)
	if t.Sub(start) < end.Sub(t) {
		return start
	}
	return end
}
