// Package jfr turns the recordings that async-profiler writes into stack sets.
//
// A recording is a sequence of chunks, and each chunk is complete in itself:
// its header says where its metadata and constant pools are, and ids mean
// nothing beyond it. So Scan walks the headers, and a Decoder reads one chunk
// after the other into profile.Builders: it weighs each event (package-level
// comments of weigh.go say how), adds up events of the same stack, resolves
// each stack that was used, once, and interns its functions.
//
// The file is written by a process that we do not trust, into a directory that
// it can write. jfr-parser can be made to allocate 34 GB or to loop for ever by
// one flipped bit, and an allocation that fails cannot be recovered from. So
// chunks are decoded in a child process with a memory limit and a deadline. A
// chunk that makes the child fail costs that chunk, entered in the ledger with
// its bytes, and none of its siblings.
//
// Of jfr-parser the package uses the metadata reader and the decoders of
// events. Constant pools are read here: jfr-parser drops the type of a frame
// (native, C++, kernel) and builds every stack of the pool before the first
// event, where this package builds those that are used. No other package
// imports jfr-parser.
package jfr
