package pyroscope

import (
	"net/url"
	"strconv"
	"time"
)

// span is the range of a request, in whole seconds.
type span struct{ from, to time.Time }

// recently is how long the range of a request is that names no start.
const recently = time.Hour

// readable is how errors tell times.
const readable = "2006-01-02 15:04:05 UTC"

// newSpan takes milliseconds since 1970; 0 is said by nobody and stands for now, or
// for a while before the end.
func newSpan(start, end int64, now time.Time) span {
	if end == 0 {
		end = now.UnixMilli()
	}
	if start == 0 {
		start = end - recently.Milliseconds()
	}
	from, to := time.UnixMilli(start), time.UnixMilli(end)
	return span{from.Truncate(time.Second), to.Add(time.Second - time.Millisecond).Truncate(time.Second)}
}

func (s span) query() url.Values {
	return url.Values{
		"from": {strconv.FormatInt(s.from.Unix(), 10)}, "to": {strconv.FormatInt(s.to.Unix(), 10)},
	}
}
