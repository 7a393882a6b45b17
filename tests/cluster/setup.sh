#!/bin/sh
# setup.sh: fetch and build what the cluster tests run against: Kubernetes'
# servers, CoreDNS and kubectl (from Go modules, one binary) and etcd (from
# Debian), all of it below ${PODFLAME_CACHE:-$HOME/.cache/podflame}/cluster.
# For a node it installs containerd, runc and the CNI plugins from Debian when
# they are missing; that needs root, and starts no service. Safe to run twice,
# and twice at once.
#
#   setup.sh          set up, print what is done
#   setup.sh --key    print the cache key of the servers
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cache=${PODFLAME_CACHE:-$HOME/.cache/podflame}/cluster
version=v1.34.4 # of Kubernetes, as in servers/go.mod: what the servers say of themselves

say() { echo "setup-cluster: $*"; }
fail() { say "$*" >&2; exit 1; }

# The key is computed the same way by kube.Find (kube/binaries.go).
key=$(cd "$here/servers" && cat go.mod go.sum main.go | sha256sum | cut -c1-16)
[ "${1:-}" = --key ] && { echo "$key"; exit 0; }

build_servers() {
	binary=$cache/kubernetes-$key
	[ -x "$binary" ] && { say "Kubernetes $version: have $binary"; return; }
	say "Kubernetes $version: building $binary (once; some 150 MB of modules, 11 minutes of CPU, 2.3 GiB of memory)"
	flags="-s -w"
	for set in gitVersion=$version gitMajor=1 gitMinor=34 gitTreeState=clean; do
		flags="$flags -X k8s.io/component-base/version.$set"
	done
	partial=$binary.partial.$$
	(cd "$here/servers" && CGO_ENABLED=0 GOFLAGS=-mod=readonly GOWORK=off \
		nice go build -buildvcs=false -trimpath -ldflags="$flags" -o "$partial" .)
	mv "$partial" "$binary"
	say "Kubernetes $version: built $binary"
}

# What runs containers on a node. Debian's scripts start no service in a
# container or chroot; the cluster starts containerd itself, in namespaces.
install_node() {
	missing=
	for needed in containerd:containerd runc:runc /usr/lib/cni/bridge:containernetworking-plugins \
		nft:nftables iptables:iptables ipset:ipset conntrack:conntrack socat:socat ethtool:ethtool ip:iproute2 busybox:busybox-static; do
		PATH=$PATH:/usr/sbin command -v "${needed%%:*}" >/dev/null || missing="$missing ${needed#*:}"
	done
	[ -n "$missing" ] || { say "node: have containerd, runc and the CNI plugins"; return; }
	command -v apt-get >/dev/null || fail "there is no apt-get: install$missing, then run this again"
	[ "$(id -u)" = 0 ] || { say "node: tests that run pods need$missing, installed as root; leaving them out"; return; }
	say "node: installing Debian package(s)$missing"
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 || {
		say "node: refreshing the package lists"
		apt-get -qq update
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
	}
}

# The package is unpacked, not installed: no root needed, no service started.
fetch_etcd() {
	if [ -x "$cache/etcd/usr/bin/etcd" ]; then say "etcd: have $cache/etcd/usr/bin/etcd"; return; fi
	if command -v etcd >/dev/null; then say "etcd: have $(command -v etcd)"; return; fi
	command -v apt-get >/dev/null || fail "etcd is not in PATH and there is no apt-get: install etcd 3.4 or later, then run this again"
	say "etcd: unpacking Debian's etcd-server into $cache/etcd"
	download=$(mktemp -d "$cache/download.XXXXXX")
	trap 'rm -rf "$download"' EXIT
	(cd "$download" && apt-get -qq download etcd-server) || {
		say "etcd: refreshing the package lists"
		[ "$(id -u)" = 0 ] || fail "apt knows no etcd-server: run apt-get update as root, then run this again"
		apt-get -qq update
		(cd "$download" && apt-get -qq download etcd-server)
	}
	dpkg -x "$download"/etcd-server_*.deb "$download/root"
	[ -x "$download/root/usr/bin/etcd" ] || fail "the package etcd-server holds no usr/bin/etcd"
	rm -rf "$cache/etcd"
	mv "$download/root" "$cache/etcd"
	say "etcd: $("$cache/etcd/usr/bin/etcd" --version | head -n 1)"
}

# The custom resources that optional manifests use, from the modules of the
# projects that define them: module, version, checksum of the module, files.
fetch_definitions() {
	[ -d "$cache/definitions-$2" ] && { say "definitions: have $cache/definitions-$2"; return; }
	module=$1 release=$2 sum=$3
	shift 3
	say "definitions: taking $* from $module $release"
	answer=$(cd / && go mod download -json "$module@$release") || fail "go mod download $module@$release: $answer"
	printf '%s' "$answer" | grep -qF "\"Sum\": \"$sum\"" || fail "$module $release is not the one with checksum $sum: $answer"
	source=$(printf '%s' "$answer" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
	partial=$cache/definitions.partial.$$
	mkdir "$partial"
	for file; do install -m 0644 "$source/$file" "$partial/"; done
	mv "$partial" "$cache/definitions-$release"
}

mkdir -p "$cache"
exec 9>"$cache/.lock"
flock 9
fetch_etcd
fetch_definitions github.com/cert-manager/cert-manager v1.19.1 h1:Txh8L/nLWTDcb7ZnXuXbTe15BxQnLbLirXmbNk0fGgY= \
	deploy/crds/cert-manager.io_certificates.yaml deploy/crds/cert-manager.io_issuers.yaml
fetch_definitions github.com/prometheus-operator/prometheus-operator v0.85.0 h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s= \
	example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml
install_node
build_servers
