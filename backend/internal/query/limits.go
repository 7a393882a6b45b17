package query

import "time"

// Limits bound what is answered. They count as they are: 0 is no default, and not "no
// limit".
type Limits struct {
	Retention    time.Duration // longest range
	Ahead        time.Duration // how far a range may reach into the future
	Timeout      time.Duration // of one request; longer than the store's own
	Concurrency  int           // requests answered at a time
	Waiting      int           // requests that wait for their turn
	Wait         time.Duration // how long they wait
	Memory       int64         // bytes of the trees that are worked on, and of the answers made of them
	MemoryWait   time.Duration // how long a request waits for its part of them, and of the store's call trees
	Nodes        int           // of a flame graph, unless asked otherwise
	MaxNodes     int
	ExportFrames int64 // of all stacks of an export
	Points       int   // of a timeline, unless asked otherwise
	MaxPoints    int
	Parts        int // of a timeline that is taken apart, unless asked otherwise
	MaxParts     int
	MaxRows      int // of a heat map
	Functions    int // of a top table, unless asked otherwise
	MaxFunctions int
	Fleet        int           // services whose stacks are read for a table over all
	FleetNames   int           // functions that such a table keeps in mind
	SparkPoints  int           // of the timelines in a list of services
	HealthFor    time.Duration // for which the state of the store is remembered
	HealthWait   time.Duration // how long a page that shows it waits for the store
}

// DefaultLimits returns the limits of the design.
func DefaultLimits() Limits {
	return Limits{
		Retention:    7 * 24 * time.Hour,
		Ahead:        time.Hour,
		Timeout:      12 * time.Second,
		Concurrency:  8,
		Waiting:      64,
		Wait:         3 * time.Second,
		Memory:       64 << 20,
		MemoryWait:   10 * time.Second,
		Nodes:        8_192,
		MaxNodes:     262_144,
		ExportFrames: 4_000_000,
		Points:       360,
		MaxPoints:    2_000,
		Parts:        20,
		MaxParts:     200,
		MaxRows:      360,
		Functions:    500,
		MaxFunctions: 10_000,
		Fleet:        50,
		FleetNames:   200_000,
		SparkPoints:  30,
		HealthFor:    2 * time.Second,
		HealthWait:   2500 * time.Millisecond,
	}
}
