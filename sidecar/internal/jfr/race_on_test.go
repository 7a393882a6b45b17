//go:build race

package jfr

// raceDetector tells tests of memory limits that the detector's own memory and
// its own way to end the process are in the way.
const raceDetector = true
