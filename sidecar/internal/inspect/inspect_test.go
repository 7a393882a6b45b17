package inspect

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	pprof "github.com/google/pprof/profile"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/jfr"
	"github.com/podflame/podflame/sidecar/internal/jfr/jfrtest"
)

var update = flag.Bool("update", false, "write the golden files")

// TestMain lets the test binary be the child that decodes.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "decode" {
		if err := jfr.RunChild(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func request(path string, t profile.Type, f Format, v Value) Request {
	return Request{
		Path: path, Type: string(t), Format: f, Value: v, Decoder: jfr.NewDecoder(),
		Limits: profile.DefaultLimits(), MaxEvents: jfr.DefaultMaxEvents,
	}
}

// run returns what is printed, and notes.
func run(t *testing.T, req Request) (string, string, error) {
	t.Helper()
	var out, notes bytes.Buffer
	err := Run(t.Context(), req, &out, &notes)
	return out.String(), notes.String(), err
}

func TestOutputEqualsGroundTruth(t *testing.T) {
	for _, tt := range jfrtest.Truths() {
		t.Run(tt.Collapsed, func(t *testing.T) {
			want := map[string]int64{}
			for stack, value := range tt.Read(t) {
				frames := strings.Split(stack, ";")
				for i := range frames { // the command prints no kinds
					frames[i] = frames[i][:strings.LastIndexByte(frames[i], ' ')]
				}
				want[strings.Join(frames, ";")] += value
			}
			got := printed(t, tt)
			if maps.Equal(want, got) { // cmp is slow for thousands of long keys
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("stacks (-converter +ours):\n%s", diff)
			}
		})
	}
}

// printed returns the stacks that the command prints in the measure of the
// ground truth. Events of locks are only in the raw JSON, for a count is one of
// contentions.
func printed(t *testing.T, tt jfrtest.Truth) map[string]int64 {
	t.Helper()
	req := request(jfrtest.Path(tt.Recording), tt.Type, Collapsed, Raw)
	switch {
	case tt.Measure == jfrtest.Events && tt.Type == profile.Lock:
		req.Format = JSON
		return countsOf(t, mustRun(t, req))
	case tt.Measure == jfrtest.Events:
		req.Value = Count
	}
	got := map[string]int64{}
	for line := range strings.Lines(mustRun(t, req)) {
		stack, value, _ := cutLast(strings.TrimSuffix(line, "\n"))
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := got[stack]; twice {
			t.Errorf("stack %q comes twice", stack)
		}
		got[stack] = n
	}
	return got
}

func cutLast(s string) (string, string, bool) {
	i := strings.LastIndexByte(s, ' ')
	return s[:max(i, 0)], s[i+1:], i >= 0
}

func countsOf(t *testing.T, text string) map[string]int64 {
	t.Helper()
	var d document
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, s := range d.Types[0].Stacks {
		var names []string
		for _, f := range s.Frames {
			names = append(names, d.Types[0].Functions[f].Name)
		}
		got[strings.Join(names, ";")] += s.Count
	}
	return got
}

func mustRun(t *testing.T, req Request) string {
	t.Helper()
	out, _, err := run(t, req)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestGolden(t *testing.T) {
	for _, tt := range []struct {
		golden, recording string
		t                 profile.Type
		format            Format
		value             Value
	}{
		{"lock.value.collapsed", "lock", profile.Lock, Collapsed, Scaled},
		{"lock.count.collapsed", "lock", profile.Lock, Collapsed, Count},
		{"lock.raw.collapsed", "lock", profile.Lock, Collapsed, Raw},
		{"alloc.json", "alloc", "", JSON, Scaled},
		{"killed-multichunk.alloc.json", "killed-multichunk", profile.Alloc, JSON, Raw},
		{"killed-multichunk.ledger", "killed-multichunk", "", Ledger, Scaled},
		{"killed-singlechunk.ledger", "killed-singlechunk", "", Ledger, Scaled},
		{"nativemem.ledger", "nativemem", "", Ledger, Scaled},
	} {
		t.Run(tt.golden, func(t *testing.T) {
			t.Chdir(jfrtest.Dir()) // so that the path in the output is short
			got, _, err := run(t, request(tt.recording+".jfr", tt.t, tt.format, tt.value))
			if err != nil && tt.recording != "killed-singlechunk" {
				t.Fatal(err)
			}
			compareGolden(t, tt.golden, got)
		})
	}
}

var testdata, _ = filepath.Abs("testdata")

func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join(testdata, name+".golden")
	if *update {
		if err := errors.Join(os.MkdirAll(testdata, 0o755), os.WriteFile(path, []byte(got), 0o644)); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (write it with -update)", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("output (-golden +got):\n%s", diff)
	}
}

func TestPprof(t *testing.T) {
	for _, tt := range []struct {
		recording   string
		t           profile.Type
		value       Value
		sampleTypes string
		byDefault   string
		period      int64
		total       []int64
	}{
		{"cpu", profile.CPU, Scaled, "samples/count cpu/nanoseconds", "cpu", 10_000_000, []int64{247, 2_470_000_000}},
		{"cpu", profile.CPU, Count, "samples/count cpu/nanoseconds", "samples", 10_000_000, []int64{247, 2_470_000_000}},
		{"cpu", profile.CPU, Raw, "samples/count", "samples", 10_000_000, []int64{247}},
		{"alloc", profile.Alloc, Scaled, "alloc_samples/count alloc_space/bytes", "alloc_space", 524_288, []int64{13_073, 6_854_017_024}},
		{"lock", profile.Lock, Scaled, "contentions/count delay/nanoseconds", "delay", 1_000_000, []int64{1_907, 14_709_387_294}},
		{"lock", profile.Lock, Raw, "contentions/count delay/nanoseconds", "delay", 1_000_000, []int64{1_903, 14_707_906_567}},
		{"wall", profile.Wall, Scaled, "samples/count wall/nanoseconds", "wall", 20_000_000, nil},
	} {
		t.Run(fmt.Sprintf("%s %s", tt.recording, tt.value), func(t *testing.T) {
			out := mustRun(t, request(jfrtest.Path(tt.recording), tt.t, Pprof, tt.value))
			p, err := pprof.ParseData([]byte(out))
			if err != nil {
				t.Fatal(err)
			}
			var types []string
			total := make([]int64, len(p.SampleType))
			for i, st := range p.SampleType {
				types = append(types, st.Type+"/"+st.Unit)
				for _, s := range p.Sample {
					total[i] += s.Value[i]
				}
			}
			if got := strings.Join(types, " "); got != tt.sampleTypes || p.DefaultSampleType != tt.byDefault || p.Period != tt.period {
				t.Errorf("sample types %q, default %q, period %d", got, p.DefaultSampleType, p.Period)
			}
			if diff := cmp.Diff(tt.total, total); tt.total != nil && diff != "" {
				t.Errorf("totals (-want +got):\n%s", diff)
			}
			if p.TimeNanos == 0 || p.DurationNanos <= 0 {
				t.Errorf("time %d, duration %d", p.TimeNanos, p.DurationNanos)
			}
			if root := p.Sample[0].Location; len(root) == 0 || root[len(root)-1].Line[0].Function.Name == "" {
				t.Error("no root frame")
			}
		})
	}
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	cpu, err := os.ReadFile(jfrtest.Path("cpu"))
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(cpu)
	flipped[70] ^= 0x80 // one bit of the size of the metadata
	for name, content := range map[string][]byte{
		"gzip": []byte("\x1f\x8b\x08\x00rest of it"), "jfr-0.9": append([]byte("FLR\x00\x00\x00\x00\x09"), make([]byte, 200)...),
		"empty": nil, "text": []byte("hello, world"), "cut": cpu[:12_000], "zeros": make([]byte, 5_000), "flipped": flipped,
	} {
		if err := os.WriteFile(at(name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink("text", at("link")), syscall.Mkfifo(at("fifo"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path string
		t    profile.Type
		code int
		says string // what is wrong, and what to do
	}{
		{at("missing"), "", ExitUsage, "no such file or directory; give the path"},
		{dir, "", ExitUsage, "it is a directory; give the path"},
		{at("link"), "", ExitUsage, "it is a symbolic link, which is not followed; give the path of the recording itself"},
		{at("fifo"), "", ExitUsage, "it is a FIFO; give the path"},
		{at("empty"), "", ExitNothing, "the file is empty; let the profiler finish"},
		{at("text"), "", ExitNothing, `it is no JFR recording (it begins with "hello, w"); give a file`},
		{at("gzip"), "", ExitNothing, "it is compressed by gzip; unpack it first"},
		{at("jfr-0.9"), "", ExitNothing, "it is of JFR version 0.9, as Oracle's JDK 7 and 8 wrote"},
		{jfrtest.Path("cpu"), "speed", ExitUsage, "--type speed: types of"},
		{jfrtest.Path("instrumented-method-as-cpu"), "cpu", ExitNothing, "no cpu samples; it has W.burnA"},
		{at("zeros"), "", ExitNothing, "only zeros, as when all its chunks were read and punched out; record again"},
		{at("cut"), "", ExitNothing, "cut off before the stacks, or damaged; copy the file again"},
		{at("flipped"), "", ExitNothing, "chunk at byte 0: "},
		{jfrtest.Path("killed-singlechunk"), "", ExitNothing, "was never finished, as when the JVM was killed; the stacks are written last"},
		{jfrtest.Path("nativemem"), profile.CPU, ExitNothing, "no cpu samples; it has nativemem"},
		{jfrtest.Path("cpu"), profile.Alloc, ExitNothing, "no alloc samples; it has cpu"},
	} {
		t.Run(filepath.Base(tt.path), func(t *testing.T) {
			out, _, err := run(t, request(tt.path, tt.t, Collapsed, Scaled))
			var coded *Error
			if !errors.As(err, &coded) || coded.ExitCode() != tt.code || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v\nwant exit code %d and %q", err, tt.code, tt.says)
			}
			if out != "" {
				t.Errorf("printed %q", out)
			}
		})
	}
}

func TestWhatIsRecoverableIsPrinted(t *testing.T) {
	out, notes, err := run(t, request(jfrtest.Path("killed-multichunk"), "", Collapsed, Scaled))
	if err != nil || !strings.Contains(out, "demo.Workload.cpuHot ") {
		t.Errorf("%v, printed %.200q", err, out)
	}
	for _, says := range []string{"(chunk_unfinished): 71292 bytes of 333480", "--format ledger", "this is cpu; there is also alloc, lock (--type)"} {
		if !strings.Contains(notes, says) {
			t.Errorf("notes %q lack %q", notes, says)
		}
	}
}

// What is missing in a number is told where the number is, in every format.
func TestLossIsToldInEveryFormat(t *testing.T) {
	for _, tt := range []struct {
		recording string
		says      string // about cpu
	}{
		{"overflow", "(storage_overflow): cpu shortened, "},
		{"second-chunk-only", "(interval_unknown): cpu unvalued, 351 samples of 351"},
		{"deep", "(stack_limit): cpu truncated, "},
		{"jdk17-double-alloc-idle-park-20ms", "events without a type here: 52 of jdk.ThreadPark (no lock)"},
	} {
		for _, format := range []Format{Collapsed, Pprof, JSON, Ledger} {
			req := request(jfrtest.Path(tt.recording), profile.CPU, format, Scaled)
			if tt.recording == "deep" {
				req.Limits.MaxStacks = 10
			}
			out, notes, err := run(t, req)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(notes, tt.says) {
				t.Errorf("%s as %s: notes %q lack %q", tt.recording, format, notes, tt.says)
			}
			if format == Pprof {
				p, err := pprof.ParseData([]byte(out))
				if err != nil || !strings.Contains(strings.Join(p.Comments, "\n"), tt.says) {
					t.Errorf("%s: comments %q lack %q, %v", tt.recording, p.Comments, tt.says, err)
				}
			}
		}
	}
}

// Where no value is known the samples are printed, and that is said.
func TestUnvaluedRecordingIsPrintedAsSamples(t *testing.T) {
	out, notes, err := run(t, request(jfrtest.Path("second-chunk-only"), profile.CPU, Collapsed, Scaled))
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for line := range strings.Lines(out) {
		_, value, _ := cutLast(strings.TrimSuffix(line, "\n"))
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	if sum != 351 || !strings.Contains(notes, "no value of cpu is known; printed are samples") {
		t.Errorf("%d samples are printed, notes %q", sum, notes)
	}
}

func TestTickThatIsGiven(t *testing.T) {
	req := request(jfrtest.Path("ctimer-1ms"), profile.CPU, Pprof, Scaled)
	for tick, want := range map[time.Duration]int64{0: 1_128_000_000, 10 * time.Millisecond: 2_820_000_000} {
		req.Tick = tick
		p, err := pprof.ParseData([]byte(mustRun(t, req)))
		if err != nil {
			t.Fatal(err)
		}
		var sum int64
		for _, s := range p.Sample {
			sum += s.Value[1]
		}
		if sum != want {
			t.Errorf("with a tick of %s: %d ns, want %d", tick, sum, want)
		}
	}
}

// A recording of something else than CPU time has a type of its own.
func TestEventOfItsOwn(t *testing.T) {
	path := jfrtest.Path("instrumented-method-as-cpu")
	p, err := pprof.ParseData([]byte(mustRun(t, request(path, "W.burnA", Pprof, Scaled))))
	if err != nil {
		t.Fatal(err)
	}
	if got := p.SampleType[1]; got.Type != "W.burnA" || got.Unit != "calls" || p.PeriodType.Type != "W.burnA" || p.Period != 1 {
		t.Errorf("sample type %+v, period %d of %+v", got, p.Period, p.PeriodType)
	}
	var d document
	if err := json.Unmarshal([]byte(mustRun(t, request(path, "", JSON, Scaled))), &d); err != nil {
		t.Fatal(err)
	}
	if got := d.Types[0]; got.Type != "W.burnA" || got.Unit != "calls" || got.Coverage.Stored != (profile.Amount{Value: 947, Count: 947}) {
		t.Errorf("type %s in %s: %+v", got.Type, got.Unit, got.Coverage)
	}
}

func TestChunkThatClaimsAGigabyteIsRead(t *testing.T) {
	b, err := os.ReadFile(jfrtest.Path("lock"))
	if err != nil {
		t.Fatal(err)
	}
	copy(b[8:], []byte{0, 0, 0, 0, 0x40, 0, 0, 1})
	path := filepath.Join(t.TempDir(), "lock.jfr")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	compareGolden(t, "lock.value.collapsed", mustRun(t, request(path, profile.Lock, Collapsed, Scaled)))
}
