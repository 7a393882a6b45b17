//go:build !race

package jfr

const raceDetector = false
