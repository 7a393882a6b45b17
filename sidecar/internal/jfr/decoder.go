package jfr

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

// Defaults of a Decoder.
const (
	DefaultMemoryBytes = 256 << 20
	DefaultTimeout     = 20 * time.Second

	// MinMemoryBytes is what a decoder needs to run at all.
	MinMemoryBytes = 96 << 20
	// attempts is how many timeouts one Decode may take, for a child is started
	// again without the chunk that made it fail.
	attempts = 3
)

// Decoder reads chunks in child processes. It is safe for concurrent use.
type Decoder struct {
	// Command is the program that calls RunChild, with its arguments.
	Command []string
	// MemoryBytes bounds the memory of a child. A chunk may have half of it.
	MemoryBytes int64
	// Timeout bounds the time of a child. If a chunk makes it fail, the others
	// get another; all together take at most three.
	Timeout time.Duration
	// Output bounds what a child may answer.
	Output profile.DecodeLimits

	turn chan struct{} // holds a token for each Decode that has a child; nil: any number
}

// DefaultChildren is how many children run at a time. The windows of all JVMs of a
// pod end at the same moment: with a child for each, they would need as many times
// the memory of one.
const DefaultChildren = 1

// Limit bounds the children that run at a time. It is called before the first
// Decode.
func (d *Decoder) Limit(children int) { d.turn = make(chan struct{}, children) }

// NewDecoder returns a Decoder with the default limits that starts this very
// program with the argument "decode". The program must then call RunChild.
func NewDecoder() *Decoder {
	d := &Decoder{
		Command:     []string{"/proc/self/exe", "decode"},
		MemoryBytes: DefaultMemoryBytes,
		Timeout:     DefaultTimeout,
		Output:      profile.DefaultDecodeLimits(),
	}
	d.Limit(DefaultChildren)
	return d
}

// Decode reads chunks of a recording, as Scan found them. A chunk that cannot
// be read is a loss in the result, not an error; an error means that no child
// could be started, or that ctx is done, and says nothing about the recording.
// The offset of file is not used.
func (d *Decoder) Decode(ctx context.Context, file *os.File, chunks []Chunk, o Options) (Result, error) {
	waited, err := d.await(ctx)
	if err != nil {
		return Result{}, err
	}
	defer d.done()
	if o.MaxChunkBytes == 0 || o.MaxChunkBytes > d.MemoryBytes/2 {
		o.MaxChunkBytes = d.MemoryBytes / 2
	}
	run := &decoding{Decoder: d, file: file, chunks: slices.Clone(chunks), options: o, end: time.Now().Add(attempts * d.Timeout)}
	run.cost.Waited = waited
	return run.result(ctx)
}

// await waits for a turn. It returns for how long, 0 if it was there.
func (d *Decoder) await(ctx context.Context) (time.Duration, error) {
	if d.turn == nil {
		return 0, nil
	}
	select {
	case d.turn <- struct{}{}:
		return 0, nil
	default:
	}
	began := time.Now()
	select {
	case d.turn <- struct{}{}:
		return time.Since(began), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("wait for the recordings of other JVMs to be read: %w; raise --decode-children", ctx.Err())
	}
}

func (d *Decoder) done() {
	if d.turn != nil {
		<-d.turn
	}
}

// decoding is one Decode. It starts children until one succeeds, each without
// the chunks that made an earlier one fail.
type decoding struct {
	*Decoder
	file    *os.File
	chunks  []Chunk // that are not given up
	options Options
	end     time.Time
	lost    Result // Losses and Problems of chunks that are given up
	reduced bool   // limits were lowered
	cost    Cost
}

func (d *decoding) result(ctx context.Context) (Result, error) {
	for {
		result, failed, err := d.attempt(ctx)
		if err != nil {
			return Result{}, err
		}
		if failed == nil {
			result.Losses = profile.AddLosses(result.Losses, d.lost.Losses...)
			result.Problems = append(d.lost.Problems, result.Problems...)
			result.Cost = d.cost
			return result, nil
		}
		d.giveUp(failed)
	}
}

// giveUp takes out the chunk that a child failed at.
func (d *decoding) giveUp(f *failure) {
	if f.chunk < len(d.chunks) {
		c := d.chunks[f.chunk]
		d.lost.lose(f.reason, c.Size, fmt.Errorf("chunk at byte %d: %w", c.Offset, f.err))
		d.chunks = slices.Delete(d.chunks, f.chunk, f.chunk+1)
	} else if !d.reduced && d.options.Limits.MaxStacks > 4 {
		// All chunks were read, but their sum was too much.
		d.reduced = true
		d.options.Limits.MaxStacks /= 4
	} else {
		d.giveUpAll(f.reason, f.err)
	}
	if time.Now().After(d.end) {
		d.giveUpAll(profile.DecodeTimeout, errors.New("time is used up by other chunks; raise --decode-timeout"))
	}
}

func (d *decoding) giveUpAll(reason profile.Reason, err error) {
	for _, c := range d.chunks {
		d.lost.lose(reason, c.Size, fmt.Errorf("chunk at byte %d: %w", c.Offset, err))
	}
	d.chunks = nil
}

// attempt runs one child over the chunks that are left. Nothing is left to a
// child if there are none.
func (d *decoding) attempt(ctx context.Context) (Result, *failure, error) {
	if len(d.chunks) == 0 {
		return decode(d.file, nil, &d.options, func(int) {}), nil, nil
	}
	return d.runChild(ctx, d.file, d.chunks, &d.options, &d.cost)
}
