// Package profile is the domain and the wire of Podflame: what a sample is on
// its whole way from a JVM to a flame graph.
//
// One shape is used all the way: the StackSet, a table of functions and a list
// of stacks that refer to it. A Window holds the stack sets of one target for
// one span of time together with their Coverage, the ledger of what was
// captured, stored and lost. A stage may add a loss to the ledger; none may
// take one away:
//
//	captured = stored + truncated + dropped
//
// in samples and in value, for each type of each window.
//
// The package builds (Builder), combines (Merge) and transports (Encode, Decode)
// these types. It does no I/O and knows nothing of JFR, HTTP or ClickHouse.
package profile

import (
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"
	"time"
)

// Type says what the values of a stack set measure.
type Type string

// The types.
const (
	CPU   Type = "cpu"   // value: CPU time in ns; count: samples
	Alloc Type = "alloc" // value: allocated bytes; count: samples
	Lock  Type = "lock"  // value: delay in ns; count: contentions
	Wall  Type = "wall"  // value: elapsed time in ns; count: samples
	// Live are the allocations of a window whose objects a garbage collection in the
	// same window has left alive. So windows add up, as those of Alloc do.
	Live Type = "live" // value: bytes of these objects; count: samples
	// NativeMem is memory that malloc and its like gave, whether or not it was given
	// back.
	NativeMem  Type = "nativemem"  // value: bytes; count: samples
	NativeLock Type = "nativelock" // value: delay in ns; count: contentions; of pthread mutexes and rwlocks
)

// Types returns all types in display order.
func Types() []Type { return append(firstTypes(), Live, NativeMem, NativeLock) }

// firstTypes are those of the first version, whose backend refuses a window with any
// other in the fields for sets and ledgers that it knows.
func firstTypes() []Type { return []Type{CPU, Alloc, Lock, Wall} }

// TypeNames are the names of all types in display order, with commas.
func TypeNames() string {
	var names []string
	for _, t := range Types() {
		names = append(names, string(t))
	}
	return strings.Join(names, ", ")
}

// ParseType returns the type with that name.
func ParseType(s string) (Type, error) {
	for _, t := range Types() {
		if string(t) == s {
			return t, nil
		}
	}
	return "", fmt.Errorf("profile type %q is not one of %s", s, TypeNames())
}

// Unit is the unit of a value: "ns" or "bytes".
func (t Type) Unit() string {
	switch t {
	case Alloc, Live, NativeMem:
		return "bytes"
	}
	return "ns"
}

// CountUnit is what a count counts: "samples" or "contentions".
func (t Type) CountUnit() string {
	if t == Lock || t == NativeLock {
		return "contentions"
	}
	return "samples"
}

// Kind is the kind of code that a function is.
type Kind uint8

// The kinds. Numbers are part of the wire and of the store: only add.
const (
	Java    Kind = 0 // interpreted, compiled or inlined Java
	Native  Kind = 1 // a symbol of a native library
	CPP     Kind = 2 // C++ of the JVM
	Kernel  Kind = 3
	Class   Kind = 4 // the allocated class or the class of the lock: last frame of alloc and lock stacks
	Omitted Kind = 5 // stands for frames that a limit cut off; never a function of the program
)

// String returns the name that the API uses.
func (k Kind) String() string {
	names := [...]string{"java", "native", "cpp", "kernel", "class", "omitted"}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("kind%d", uint8(k))
}

// Function is one entry of a function table. Name is normalised (see
// Normalizer) and, for Java, reads package.Class.method.
type Function struct {
	Name string
	Kind Kind
}

// Stack is a call stack of the threads of one group, with what was measured in it.
type Stack struct {
	Frames []uint32 // root first; indexes into StackSet.Functions
	Thread string   `json:",omitempty"` // group of threads, as ThreadGroup names it; empty: not known
	Value  int64    // in Type.Unit, at least 0
	Count  int64    // in Type.CountUnit, at least 0
}

// StackSet holds the stacks of one type, distinct in frames and thread group.
type StackSet struct {
	Type      Type
	Functions []Function
	Stacks    []Stack
	// Shared, unless it is nil, is how many frames each stack has in common with the
	// one before it, and its Frames are the others. Such a set, which comes from
	// Packed.Window, is only read by All and StackIDs.
	Shared []uint32 `json:",omitempty"`
}

// All yields the stacks with all of their frames, which are valid until the next.
func (s *StackSet) All() iter.Seq2[int, Stack] {
	return func(yield func(int, Stack) bool) {
		var frames []uint32
		for i, stack := range s.Stacks {
			if s.Shared != nil {
				frames = append(frames[:s.Shared[i]], stack.Frames...)
				stack.Frames = frames
			}
			if !yield(i, stack) {
				return
			}
		}
	}
}

// Amount is a measured quantity: Value in the unit of its type, Count in
// samples (contentions for locks).
type Amount struct {
	Value int64 `json:"value"`
	Count int64 `json:"count"`
}

// Add returns the sum of two amounts. A sum that passes 2^63 stays at the largest
// number there is, and so does every sum with it: see Exact.
func (a Amount) Add(b Amount) Amount { return Amount{add(a.Value, b.Value), add(a.Count, b.Count)} }

// Exact reports whether the amount is what was added up, and not the most that
// can be said of a sum beyond 2^63.
func (a Amount) Exact() bool { return a.Value < math.MaxInt64 && a.Count < math.MaxInt64 }

// add adds numbers of which neither is negative; a result beyond 2^63 is the
// largest number.
func add(a, b int64) int64 {
	if b > 0 && a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// Total returns the sum over all stacks, which is the sum of every function's
// self value.
func (s *StackSet) Total() Amount {
	var sum Amount
	for i := range s.Stacks {
		sum = sum.Add(Amount{s.Stacks[i].Value, s.Stacks[i].Count})
	}
	return sum
}

// Target is one JVM process that is or could be profiled.
type Target struct {
	Cluster    string    `json:"cluster"`
	Namespace  string    `json:"namespace"`
	Service    string    `json:"service"`
	Version    string    `json:"version"`
	Pod        string    `json:"pod"`
	PodUID     string    `json:"podUid"`
	Node       string    `json:"node"`
	Container  string    `json:"container"`
	PID        int       `json:"pid"`      // in the pod's process namespace
	JVMStart   time.Time `json:"jvmStart"` // millisecond precision
	JVMVersion string    `json:"jvmVersion"`
	MainClass  string    `json:"mainClass"`
}

// WindowID identifies a window of a pod for ever: it is equal on every retry. See
// NewWindowID.
type WindowID [16]byte

// Window is what one target did in [Start, End), or why nobody knows.
type Window struct {
	ID         WindowID
	Target     Target
	Session    string    // id of the profiler session; empty if there was none
	Start, End time.Time // aligned to the clock, whole seconds
	// Recorded is the span that the recording's own chunk headers claim. The
	// windows of an undisturbed session are contiguous in it. Zero if nothing
	// was recorded.
	Recorded Span
	// KernelCPU is the CPU time (utime + stime) that the kernel charged to the
	// whole process between the boundaries of the recording: what the cpu set
	// should sum to, measured by somebody else. Nil if it is not known.
	KernelCPU *time.Duration `json:",omitempty"`
	Settings  Settings
	Sets      []StackSet // at most one per type
	Coverage  []Coverage // exactly one per type that was asked for
	// Losses are those that no type can claim: time that nobody profiled,
	// bytes that could not be read.
	Losses []Loss
}

// Span is a span of time.
type Span struct{ Start, End time.Time }

// Settings are how a window was recorded. A zero is not known, or does not
// apply.
type Settings struct {
	Engine        string        // of the CPU profiler, e.g. perf_events or ctimer
	CPUInterval   time.Duration // CPU time per sample, as it was asked for
	AllocInterval int64         // bytes per sample
	LockThreshold time.Duration
	WallInterval  time.Duration
	// Tick is the tick of the kernel that ran the JVM: the least CPU time
	// between two samples of the engines ctimer and itimer.
	Tick time.Duration `json:",omitempty"`
	// Java is the feature version of the JVM, by which allocations are weighed; 0:
	// not known.
	Java int `json:",omitempty"`
	// NativeInterval is that of allocations of native memory, NativeThreshold of waits
	// for native locks.
	NativeInterval  int64         `json:",omitempty"` // bytes
	NativeThreshold time.Duration `json:",omitempty"`
}

// maxJavaFeature is higher than any version of Java is believed to be.
const maxJavaFeature = 1000

// JavaFeature is the feature version in the version of a JVM such as 17.0.9+11; 0:
// not known.
func JavaFeature(version string) int {
	end := strings.IndexFunc(version, func(c rune) bool { return c < '0' || c > '9' })
	if end < 0 {
		end = len(version)
	}
	n, err := strconv.Atoi(version[:end])
	if err != nil || n > maxJavaFeature {
		return 0
	}
	return n
}

// Set returns the stack set of a type, or nil.
func (w *Window) Set(t Type) *StackSet {
	for i := range w.Sets {
		if w.Sets[i].Type == t {
			return &w.Sets[i]
		}
	}
	return nil
}
