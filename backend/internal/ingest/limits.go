package ingest

import (
	"time"

	"github.com/podflame/podflame/backend/profile"
)

// Limits bound what ingest accepts. They count as they are: 0 is no default, and not
// "no limit".
type Limits struct {
	Report        int64         // bytes of a report
	BytesInFlight int64         // of all bodies that are being received or decoded
	Memory        int64         // bytes of all windows that are being decoded or stored
	Uploads       int           // that are being answered at a time
	UploadsPerPod int           // of those, of one pod
	Decoding      int           // windows that are being decoded at a time
	DecodingWait  time.Duration // how long an upload waits for its turn and for memory
	Answer        time.Duration // from the end of a window's body to its answer; the rest of it is for the insert
	BodyTimeout   time.Duration // to receive one body
	Retention     time.Duration // older windows are refused
	Ahead         time.Duration // windows with anything later than this from now are refused
	RetryAfter    time.Duration // proposed to uploads that are turned away
	Decode        profile.DecodeLimits
}

// DefaultLimits returns the limits of the design.
func DefaultLimits() Limits {
	return Limits{
		Report:        1 << 20,
		BytesInFlight: 128 << 20,
		Memory:        128 << 20,
		Uploads:       1000,
		UploadsPerPod: 4,
		Decoding:      4,
		DecodingWait:  7 * time.Second,
		Answer:        time.Minute,      // where senders wait less, less than they do
		BodyTimeout:   10 * time.Second, // as long as the sidecar waits for an answer
		Retention:     7 * 24 * time.Hour,
		Ahead:         10 * time.Minute,
		RetryAfter:    2 * time.Second,
		Decode:        profile.DefaultDecodeLimits(),
	}
}

// maxDimension bounds the strings by which windows are looked for, in bytes;
// openapi.yaml has the same limit for query parameters.
const maxDimension = 256
