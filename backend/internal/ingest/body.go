package ingest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
)

// body admits and reads the body of a request. What has been received stays
// admitted until release is called.
func (in *Ingest) body(w http.ResponseWriter, r *http.Request, source string, limit int64) (body []byte, release func(), err error) {
	if r.ContentLength > limit {
		return nil, nil, api.Exceeded(profile.BodyTooLarge, "Content-Length", r.ContentLength, limit)
	}
	announced := r.ContentLength
	if announced < 0 { // chunked: it may grow to the limit
		announced = limit
	}
	// What is announced is only looked at: a sender that announces much and sends
	// nothing takes nothing from the others.
	if err := in.bodies.check(source, announced); err != nil {
		return nil, nil, in.overloaded(err)
	}
	admitted := int64(0)
	release = sync.OnceFunc(func() { in.bodies.give(source, admitted) })
	body, err = in.read(w, r, min(announced, firstPiece), limit, func(more int64) error {
		if err := in.bodies.try(source, more); err != nil {
			return in.overloaded(err)
		}
		admitted += more
		return nil
	})
	if err != nil {
		release()
		return nil, nil, err
	}
	return body, release, nil
}

// overloaded is the answer to an upload for which a budget has no room.
func (in *Ingest) overloaded(err error) error {
	full, ok := errors.AsType[*fullError](err)
	code := profile.Overloaded
	if ok && full.source != "" {
		code = profile.SourceLimit
	}
	e := api.Errorf(code, "%v", err)
	if ok {
		e.Limit, e.Actual = full.limit, full.actual
	}
	return e.Retry(in.Limits.RetryAfter)
}

// firstPiece is how much room a body gets before anything of it has arrived.
const firstPiece = 64 << 10

// read reads a body into pieces of memory, each admitted before it is made.
func (in *Ingest) read(w http.ResponseWriter, r *http.Request, size, limit int64, admit func(int64) error) ([]byte, error) {
	// A sender that trickles would keep its share of the bytes in flight.
	deadline := http.NewResponseController(w)
	if err := deadline.SetReadDeadline(time.Now().Add(in.Limits.BodyTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, fmt.Errorf("set deadline of the body: %w", err)
	}
	if err := admit(size); err != nil {
		return nil, err
	}
	body := make([]byte, 0, size+1) // + 1: the end is seen without growing
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
			grown := min(2*size, limit)
			if announced := r.ContentLength; announced >= 0 {
				grown = min(grown, announced)
			}
			if grown <= size {
				body = append(body, 0)[:len(body)] // one byte more than the limit ends it
				continue
			}
			if err := admit(grown - size); err != nil {
				return nil, err
			}
			size = grown
			body = append(make([]byte, 0, size+1), body...)
		}
	}
}
