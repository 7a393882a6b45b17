// Package store keeps windows in ClickHouse and reads sums back out of it.
//
// Writing: Insert stores a window exactly once, however often and from however
// many backends it is sent. Windows that arrive together are written as few large
// blocks. Samples carry the id of their commit; the header rows in the table
// profiles, written last, name the one that counts, so what has no header counts
// nowhere. After an error the outcome is unknown and the very same window must be
// sent again; see Error.
//
// What is over is summed up by jobs that may be repeated: samples by the hour and
// version, headers by 5 minutes and by the hour. Sums are used only where nothing
// has arrived since they were made.
//
// Reading: everything is summed by stack id inside ClickHouse; names and frames
// are fetched once and kept in a bounded cache. Each read is scoped, carries
// limits for time, memory and rows, and returns its Cost. Trees, tables and
// diffs are not built here.
//
// The same code talks to the embedded server (package embedded) and to an
// external one. The store holds no state that another backend would miss.
package store
