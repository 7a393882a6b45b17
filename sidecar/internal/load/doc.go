// Package load measures what a backend bears: it sends what many sidecars send,
// through their own spool and client, to a backend that runs beside it. It is run
// by hand, by make load; each result states the machine and how busy it was.
package load
