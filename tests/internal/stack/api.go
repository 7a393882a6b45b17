package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// maxAnswer bounds what is read of an answer of the API.
const maxAnswer = 64 << 20

// Get reads a JSON answer of the backend's API into out. An answer other than
// 200 is an error with its body.
func (b *Backend) Get(ctx context.Context, path string, query url.Values, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.URL+path+"?"+query.Encode(), nil)
	if err != nil {
		return fmt.Errorf("make request for %s: %w", path, err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("get %s: %w", path, err)
	}
	return ReadAnswer(res, path, out)
}

// ReadAnswer reads the JSON answer to a request for path into out, and closes it.
// An answer other than 200 is an error with its body.
func ReadAnswer(res *http.Response, path string, out any) error {
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read answer of %s: %w", path, err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("get %s: %s: %s", path, res.Status, body)
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("decode answer of %s: %w", path, err)
	}
	return nil
}

// Range is a query for one type of a service over a span of time.
func Range(service, typ string, from, to time.Time) url.Values {
	return url.Values{
		"service": {service}, "type": {typ}, "namespace": {"demo"},
		"from": {strconv.FormatInt(from.Unix(), 10)}, "to": {strconv.FormatInt(to.Unix(), 10)},
	}
}

// WaitFlame waits until a service has a flame graph with samples in the last
// hour.
func (b *Backend) WaitFlame(ctx context.Context, service, typ string, sidecar *Process) error {
	var last error
	return Poll(ctx, 500*time.Millisecond, func() (bool, error) {
		if sidecar.Exited() {
			return false, fmt.Errorf("the sidecar has ended; its log ends:\n%s", sidecar.LogTail())
		}
		var flame struct{ Total struct{ Value int64 } }
		now := time.Now()
		last = b.Get(ctx, "/api/v1/flame", Range(service, typ, now.Add(-time.Hour), now.Add(time.Minute)), &flame)
		if last == nil && flame.Total.Value == 0 {
			last = fmt.Errorf("service %s has no %s samples yet", service, typ)
		}
		return last == nil, nil
	}, func() error { return fmt.Errorf("%w; the sidecar's log ends:\n%s", last, sidecar.LogTail()) })
}
