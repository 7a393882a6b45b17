// Package formats writes stack sets as other tools read them: collapsed text,
// pprof and speedscope.
package formats
