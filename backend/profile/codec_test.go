package profile

import (
	"bytes"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"
)

func genWindow(t *rapid.T) *Window {
	start := time.Unix(rapid.Int64Range(1, 4_000_000_000).Draw(t, "start"), 0).UTC()
	w := &Window{
		Session: rapid.String().Draw(t, "session"),
		Start:   start,
		End:     start.Add(time.Duration(rapid.IntRange(1, MaxWindowSeconds).Draw(t, "seconds")) * time.Second),
		Target: Target{
			Cluster: "c", Namespace: rapid.String().Draw(t, "namespace"), Service: "s", Pod: "p", PID: rapid.IntRange(0, 1<<22).Draw(t, "pid"),
			JVMStart: time.UnixMilli(rapid.Int64Range(1, 4e12).Draw(t, "jvm start")).UTC(), JVMVersion: "17.0.15", MainClass: "demo.Main",
		},
		Settings: Settings{Engine: "ctimer", CPUInterval: 10 * time.Millisecond, AllocInterval: 512 << 10, LockThreshold: time.Millisecond},
	}
	if rapid.Bool().Draw(t, "recorded") {
		w.Recorded = Span{start.Add(time.Millisecond), w.End.Add(time.Millisecond)}
	}
	if rapid.Bool().Draw(t, "kernel's account") {
		w.KernelCPU = new(time.Duration(rapid.Int64Range(0, maxQuantity).Draw(t, "kernel CPU")))
		w.Settings.Tick, w.Settings.Java = 4*time.Millisecond, 17
		w.Settings.NativeInterval, w.Settings.NativeThreshold = 512<<10, time.Millisecond
	}
	for _, typ := range Types() {
		if !rapid.Bool().Draw(t, string(typ)) {
			continue
		}
		b := NewBuilder(typ, Limits{MaxStacks: 5, MaxDepth: 4})
		threads := rapid.Bool().Draw(t, "threads")
		for range rapid.IntRange(0, 30).Draw(t, "samples") {
			thread := ""
			if threads {
				thread = rapid.SampledFrom([]string{"", "main", "pool-#", OtherThreads}).Draw(t, "thread")
			}
			b.AddIn(thread, genFrames(t, b), genAmount(t))
		}
		if rapid.Bool().Draw(t, "unvalued") {
			b.Add(genFrames(t, b), Amount{Count: 3})
			b.Note(Unvalued, IntervalUnknown, Amount{Count: 3})
			b.Note(Noticed, VirtualThreadLocks, Amount{})
		}
		set, coverage := b.Build()
		w.Sets = append(w.Sets, set)
		w.Coverage = append(w.Coverage, coverage)
	}
	if rapid.Bool().Draw(t, "gap") {
		w.Losses = AddLosses(nil, Loss{Outcome: Dropped, Reason: SidecarRestarted, Duration: time.Minute})
	}
	w.ID = NewWindowID(w.Target.SeriesID(), w.Session, w.Start)
	return w
}

func TestDecodeInvertsEncode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := genWindow(t)
		encoded, err := Encode(w)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(encoded, DefaultDecodeLimits())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(w, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
	})
}

func exampleWindow(t testing.TB) *Window {
	t.Helper()
	b := NewBuilder(CPU, Limits{})
	main := b.Function("demo.Main.main", Java)
	b.Add([]uint32{main, b.Function("demo.Main.hot", Java)}, Amount{30_000_000, 3})
	b.Add([]uint32{main, b.Function("demo.Main.warm", Java)}, Amount{10_000_000, 1})
	b.Lose(Dropped, StackMissing, Amount{10_000_000, 1})
	set, coverage := b.Build()
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	w := &Window{
		Target: Target{Namespace: "shop", Service: "cart", Pod: "cart-0", PID: 7, JVMStart: start.Add(-time.Hour)},
		Start:  start, End: start.Add(time.Minute), Session: "s1",
		Sets: []StackSet{set}, Coverage: []Coverage{coverage},
	}
	w.ID = NewWindowID(w.Target.SeriesID(), w.Session, w.Start)
	return w
}

func pack(message []byte) []byte {
	enc, _ := zstd.NewWriter(nil)
	return enc.EncodeAll(message, []byte(magic))
}

func TestDecodeRefuses(t *testing.T) {
	good, err := Encode(exampleWindow(t))
	if err != nil {
		t.Fatal(err)
	}
	unbalanced := exampleWindow(t)
	unbalanced.Coverage[0].Captured.Count++
	mismatch, _ := Encode(unbalanced)
	tight := DefaultDecodeLimits()
	tight.MaxStacks = 1
	small := DefaultDecodeLimits()
	small.MaxEncoded = 10
	tests := map[string]struct {
		input  []byte
		limits DecodeLimits
		reason Reason
		text   string
	}{
		"empty":           {nil, DefaultDecodeLimits(), Malformed, `begin with "PFW1"`},
		"other":           {[]byte("GET / HTTP/1.1"), DefaultDecodeLimits(), Malformed, "begin with"},
		"newer version":   {append([]byte("PFW2"), good[4:]...), DefaultDecodeLimits(), UnsupportedFormat, "version"},
		"truncated":       {good[:len(good)-5], DefaultDecodeLimits(), Malformed, "zstd"},
		"not zstd":        {[]byte("PFW1hello world"), DefaultDecodeLimits(), Malformed, "zstd"},
		"too large":       {good, small, BodyTooLarge, "exceeds the limit of 10"},
		"zip bomb":        {pack(make([]byte, 80<<20)), DefaultDecodeLimits(), DecodedTooLarge, "67108864"},
		"empty message":   {pack(nil), DefaultDecodeLimits(), Malformed, "span"},
		"too many stacks": {good, tight, LimitExceeded, "stacks of a set: 2 exceeds the limit of 1"},
		"ledger":          {mismatch, DefaultDecodeLimits(), LedgerMismatch, "does not add up"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Decode(test.input, test.limits)
			var decodeErr *DecodeError
			if !errors.As(err, &decodeErr) || decodeErr.Reason != test.reason || !strings.Contains(err.Error(), test.text) {
				t.Errorf("got %v, want reason %s and text %q", err, test.reason, test.text)
			}
		})
	}
}

// A few bytes must not make the decoder allocate much: each stack of one byte
// can refer to a whole shared prefix.
func TestDecodeBoundsSharedPrefixes(t *testing.T) {
	const stacks, depth = 40_000, 2000
	frames := bytes.Repeat([]byte{0}, depth)
	var shared, own []byte
	for i := range stacks {
		if i == 0 {
			shared, own = append(shared, 0), protowire.AppendVarint(own, depth-1)
			continue
		}
		shared, own = protowire.AppendVarint(shared, depth-1), append(own, 1)
		frames = append(frames, 0)
	}
	values := bytes.Repeat([]byte{1}, stacks)
	set := appendString(nil, 1, "cpu")
	set = appendBytes(set, 2, []byte("f"))
	for i, column := range [][]byte{{0}, shared, own, values, values, frames} {
		set = appendBytes(set, protowire.Number(i+3), column)
	}
	message := appendBytes(nil, 1, bytes.Repeat([]byte{1}, 16))
	message = appendInt(appendInt(message, 4, 1), 5, 2)
	encoded := pack(appendBytes(message, 9, set))

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Decode(encoded, DefaultDecodeLimits())
	runtime.ReadMemStats(&after)
	if _, ok := errors.AsType[*DecodeError](err); !ok {
		t.Fatalf("got %v, want a refusal", err)
	}
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 256<<20 {
		t.Errorf("decoding %d bytes allocated %d MB", len(encoded), allocated>>20)
	}
}

// What one process hands to another of the machine is the same window, within the same
// limits.
func TestMessages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := genWindow(t)
		message := EncodeMessage(w)
		got, err := DecodeMessage(message, DefaultDecodeLimits())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(w, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
		limits := DefaultDecodeLimits()
		limits.MaxDecoded = len(message) - 1
		var e *DecodeError
		if _, err := DecodeMessage(message, limits); !errors.As(err, &e) || e.Reason != DecodedTooLarge {
			t.Fatalf("a longer message than allowed: %v", err)
		}
	})
}

func FuzzDecode(f *testing.F) {
	good, err := Encode(exampleWindow(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good[4:], false)
	f.Add(appendWindow(nil, exampleWindow(f)), true)
	f.Fuzz(func(t *testing.T, data []byte, compress bool) {
		if compress {
			data = pack(data)
		} else {
			data = append([]byte(magic), data...)
		}
		limits := DefaultDecodeLimits()
		limits.MaxDecoded = 1 << 20
		w, err := Decode(data, limits)
		if err != nil {
			if _, ok := errors.AsType[*DecodeError](err); !ok {
				t.Fatalf("error %v is no *DecodeError", err)
			}
			return
		}
		if err := w.Check(); err != nil {
			t.Fatal(err)
		}
		encoded, err := Encode(w)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Decode(encoded, DefaultDecodeLimits())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(w, again, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	w := exampleWindow(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Encode(w); err != nil {
			b.Fatal(err)
		}
	}
}

// A window's fields may grow: what a decoder does not know it skips, and what
// an old encoder does not say is not known.
func TestDecodeSkipsUnknownFields(t *testing.T) {
	message := appendWindow(nil, exampleWindow(t))
	message = appendString(appendInt(message, 1000, 7), 1001, "of a later version")
	w, err := Decode(pack(message), DefaultDecodeLimits())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(exampleWindow(t), w, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	if w.KernelCPU != nil {
		t.Errorf("the kernel's account is %s without being in the message", *w.KernelCPU)
	}
}

func TestDecodeRefusesAmounts(t *testing.T) {
	good := slices.Clip(appendWindow(nil, exampleWindow(t)))
	loss := func(outcome uint64) []byte {
		return appendMessage(good, 11, func(b []byte) []byte { return appendInt(appendString(b, 2, "r"), 1, int64(outcome)) })
	}
	tests := map[string]struct {
		message []byte
		reason  Reason
	}{
		"negative kernel CPU": {appendInt(good, 12, -1), Malformed},
		"negative tick":       {appendMessage(good, 8, func(b []byte) []byte { return appendInt(b, 6, -1) }), Malformed},
		"outcome of later":    {loss(uint64(Noticed) + 1), UnsupportedFormat},
	}
	for name, test := range tests {
		_, err := Decode(pack(test.message), DefaultDecodeLimits())
		if wrong, ok := errors.AsType[*DecodeError](err); !ok || wrong.Reason != test.reason {
			t.Errorf("%s: error is %v, want reason %s", name, err, test.reason)
		}
	}
	if _, err := Decode(pack(loss(uint64(Noticed))), DefaultDecodeLimits()); err != nil {
		t.Errorf("a notice without an amount: %v", err)
	}
}
