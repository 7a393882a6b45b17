// Command run is the supervisor of a node and, in its namespaces, pid 1. Package
// kube builds and starts it; nobody does by hand.
package main

import (
	"fmt"
	"os"

	"github.com/podflame/podflame/tests/cluster/node"
)

func main() {
	var err error
	switch {
	case len(os.Args) == 3 && os.Args[1] == "supervise":
		err = node.Supervise(os.Args[2])
	case len(os.Args) == 4 && os.Args[1] == "init":
		err = node.Init(os.Args[2], os.Args[3])
	default:
		err = fmt.Errorf("usage: run supervise DIRECTORY | init DIRECTORY CGROUP")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "node:", err)
		os.Exit(1)
	}
}
