package pyroscope

import (
	"net/url"
	"strconv"
	"time"
)

// span is the range of a request, in whole seconds.
type span struct{ from, to time.Time }

// recently is the range of a request that names none.
const recently = time.Hour

// readable is how errors tell times.
const readable = "2006-01-02 15:04:05 UTC"

// newSpan takes milliseconds since 1970. Both are 0 if nothing is asked.
func newSpan(start, end int64, now time.Time) span {
	if start == 0 && end == 0 {
		return span{now.Add(-recently).Truncate(time.Second), now.Truncate(time.Second)}
	}
	from, to := time.UnixMilli(start), time.UnixMilli(end)
	return span{from.Truncate(time.Second), to.Add(time.Second - time.Millisecond).Truncate(time.Second)}
}

func (s span) query() url.Values {
	return url.Values{
		"from": {strconv.FormatInt(s.from.Unix(), 10)}, "to": {strconv.FormatInt(s.to.Unix(), 10)},
	}
}
