package kube

import (
	"path/filepath"

	"github.com/podflame/podflame/tests/cluster/node"
)

// Within a node every port is free: nothing else is in its network.
const (
	nodeAPI        = "127.0.0.1:6443"
	nodeAPIPort    = 6443
	etcdPort       = 2379
	etcdPeerPort   = 2380
	controllerPort = 10257
	schedulerPort  = "10259"
)

// nodeSpec says what a node runs, and in which order.
func nodeSpec(binaries Binaries, authority *pki, directory string, images []string) node.Spec {
	conf := func(name string) string { return filepath.Join(directory, "conf", name) }
	server := func(name string, arguments ...string) node.Program {
		return node.Program{Name: name, Path: binaries.Kubernetes, Arguments: append([]string{name}, arguments...)}
	}
	apply := []string{"kubectl", "--kubeconfig", authority.path("inside.kubeconfig"), "apply", "-f", conf("dns.yaml")}
	return node.Spec{
		Directory: directory,
		API:       nodeAPI,
		Images:    images,
		Early: []node.Program{
			{Name: "etcd", Path: binaries.Etcd, Arguments: etcdArguments(node.State, etcdPort, etcdPeerPort)},
			{Name: "containerd", Path: "containerd", Arguments: []string{"--config", conf("containerd.toml")}},
			{Name: "kube-apiserver", Path: binaries.Kubernetes, Arguments: nodeAPIServerArguments(authority)},
		},
		Prepare: []node.Program{{Name: "kubectl", Path: binaries.Kubernetes, Arguments: apply}},
		Late: []node.Program{
			{Name: "kube-controller-manager", Path: binaries.Kubernetes, Arguments: controllerManagerArguments(authority, controllerPort)},
			server("kube-scheduler", "--kubeconfig", authority.path("scheduler.kubeconfig"), "--leader-elect=false", "--bind-address", "127.0.0.1", "--secure-port", schedulerPort),
			server("kubelet", "--config", conf("kubelet.yaml"), "--kubeconfig", authority.path("kubelet.kubeconfig"), "--hostname-override", NodeName,
				"--node-ip", node.Address, "--root-dir", filepath.Join(node.State, "kubelet"), "--cgroup-root", "/"+node.CgroupPlaceholder),
			server("kube-proxy", "--config", conf("proxy.yaml")),
			server("coredns", "-conf", conf("Corefile")),
		},
	}
}
