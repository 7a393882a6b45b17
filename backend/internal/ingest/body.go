package ingest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
)

// body admits and reads the body of a request. The bytes stay admitted until
// release is called.
func (in *Ingest) body(w http.ResponseWriter, r *http.Request, limit int64) (body []byte, release func(), err error) {
	if r.ContentLength > limit {
		return nil, nil, api.Exceeded(profile.BodyTooLarge, "Content-Length", r.ContentLength, limit)
	}
	admitted := r.ContentLength
	if admitted < 0 { // chunked: it may grow to the limit
		admitted = limit
	}
	if !in.inFlight.TryAcquire(admitted) {
		e := api.Errorf(profile.Overloaded, "bytes in flight would exceed the limit of %d", in.Limits.BytesInFlight)
		e.Limit, e.Actual = in.Limits.BytesInFlight, admitted
		return nil, nil, e.Retry(in.Limits.RetryAfter)
	}
	in.tally.inFlight.Add(admitted)
	release = func() {
		in.tally.inFlight.Add(-admitted)
		in.inFlight.Release(admitted)
	}
	body, err = in.read(w, r, admitted, limit)
	if err != nil {
		release()
		return nil, nil, err
	}
	return body, release, nil
}

func (in *Ingest) read(w http.ResponseWriter, r *http.Request, size, limit int64) ([]byte, error) {
	// A sender that trickles would keep its share of the bytes in flight.
	deadline := http.NewResponseController(w)
	if err := deadline.SetReadDeadline(time.Now().Add(in.Limits.BodyTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, fmt.Errorf("set deadline of the body: %w", err)
	}
	body := make([]byte, 0, min(size, limit)+1) // + 1: the end is seen without growing
	reader := http.MaxBytesReader(w, r.Body, limit)
	for {
		n, err := reader.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if errors.Is(err, io.EOF) {
			in.metrics.bodyBytes.Add(float64(len(body)))
			return body, nil
		}
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return nil, api.Exceeded(profile.BodyTooLarge, "body", limit+1, limit)
		}
		if err != nil {
			return nil, api.Errorf(profile.BackendUnreached, "the body ended after %d bytes or did not arrive within %s", len(body), in.Limits.BodyTimeout).
				Because(err).Retry(in.Limits.RetryAfter)
		}
		if len(body) == cap(body) {
			body = append(body, 0)[:len(body)]
		}
	}
}
