// Package node runs the servers of a one-node Kubernetes in mount, network,
// PID, IPC and UTS namespaces of their own. It knows nothing of Kubernetes but
// the order of start: package kube says what to run.
//
// Three processes take part. The starter (a test) runs the supervisor and
// holds its standard input. The supervisor makes the cgroup, starts pid 1 of
// the namespaces and, when the starter ends in whatever way, kills pid 1 and
// removes the cgroup. Pid 1 mounts, links, starts the servers and reaps. The
// kernel ends whatever is left when pid 1 ends, so nothing outlives a node.
package node

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// What a node sees is the same for every node, as no two share a namespace.
const (
	Address  = "10.244.0.1"   // on the bridge of its pods
	Services = "10.96.0.0/16" // addresses of Services
	State    = "/run/node"    // what can be large: images, snapshots, volumes, etcd

	bridge = "cni0"
	prefix = "/24"
)

// CgroupPlaceholder, in an argument of a late program, stands for the name of
// the node's cgroup, which the supervisor chooses.
const CgroupPlaceholder = "@CGROUP@"

const specFile = "node.json"

// Spec says what a node runs.
type Spec struct {
	Directory string    // everything that the node writes; holds the spec
	API       string    // host:port of the API server within the namespace
	Early     []Program // etcd, containerd, the API server: started at once
	Images    []string  // archives that containerd imports meanwhile
	Prepare   []Program // run one after the other once the API server is ready
	Late      []Program // what would back off without a ready API server
}

// Program is a command of the node; its output goes to log/NAME.log.
type Program struct {
	Name      string
	Path      string
	Arguments []string
}

// Write stores the spec where the supervisor looks for it.
func (s Spec) Write() error {
	content, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the node's spec: %w", err)
	}
	if err := os.WriteFile(filepath.Join(s.Directory, specFile), content, 0o600); err != nil {
		return fmt.Errorf("write the node's spec: %w", err)
	}
	return nil
}

func readSpec(directory string) (s Spec, err error) {
	content, err := os.ReadFile(filepath.Join(directory, specFile))
	if err != nil {
		return s, fmt.Errorf("read the node's spec: %w", err)
	}
	if err := json.Unmarshal(content, &s); err != nil {
		return s, fmt.Errorf("decode the node's spec %s: %w", specFile, err)
	}
	return s, nil
}

func (s Spec) logPath(name string) string {
	return filepath.Join(s.Directory, "log", name+".log")
}

// CgroupOf is the name of the cgroup that the supervisor with a process id
// makes at the root of every hierarchy.
func CgroupOf(supervisor int) string { return fmt.Sprintf("%s%d", cgroupPrefix, supervisor) }
