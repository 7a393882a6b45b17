// Package query answers what the UI asks: services, targets, timelines, flame
// graphs, tables of functions, coverage and the health of ingest.
//
// ClickHouse sums samples by stack; flame graphs and tables are made from the
// sums here. Every answer about a range states its coverage. An answer is never
// empty without a reason in it: a service without data in a range is told from
// a service that nobody knows.
//
// Parameters are checked before anything is asked of the store, and the number
// of queries at a time, their time, memory and rows are bounded.
package query
