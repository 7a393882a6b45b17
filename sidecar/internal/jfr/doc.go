// Package jfr turns the recordings that async-profiler writes into stack sets.
//
// A recording is a sequence of chunks, and each chunk is complete in itself:
// its header says where its metadata and constant pools are, and ids mean
// nothing beyond it. So Scan walks the headers, and a Decoder reads one chunk
// after the other into profile.Builders: it weighs each event (package-level
// comments of weigh.go say how), adds up events of the same stack, resolves
// each stack that was used, once, and interns its functions.
//
// A chunk is read in three passes: its metadata say how events and constants are
// laid out (metadata.go, layout.go, pools.go); a pass over the events finds the
// settings and which kinds of events there are (prelude.go, settings.go); the
// next adds samples up (events.go, tally.go). Settings belong to a session and an
// event; where a recording does not say them its samples have a count and no
// value.
//
// The file is written by a process that we do not trust, into a directory that
// it can write. No number in it makes this package allocate more than the chunk
// is long, and no reference in it makes it loop; but what a sound recording of
// that size costs is not known beforehand, and an allocation that fails cannot
// be recovered from. So chunks are decoded in a child process with a memory limit
// and a deadline. A chunk that makes the child fail costs that chunk, entered in
// the ledger with its bytes, and none of its siblings.
//
// What metadata say is kept as the types of jfr-parser (parser/types/def). Its
// Parser does not read the chunks: one flipped bit in the count of strings makes
// it allocate 34 GB; it leaves out the type of a frame (native, C++, kernel); it
// does not know jdk.CPUTimeSample, CPUTimeSamplesLost and
// ActiveRecording, nor the span of a batch of wall samples; and it builds every
// stack of the pool before the first event. A test holds all recordings against it,
// and the benchmark compares with it.
package jfr
