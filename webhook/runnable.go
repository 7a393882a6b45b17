package main

import "context"

// everyReplica runs a function without waiting for the leader election, which
// is what the manager does to a plain function.
type everyReplica struct {
	run func(context.Context) error
}

// Start implements manager.Runnable.
func (r everyReplica) Start(ctx context.Context) error { return r.run(ctx) }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (r everyReplica) NeedLeaderElection() bool { return false }
