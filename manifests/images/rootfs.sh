#!/usr/bin/env bash
# Builds what goes into the three images, without Docker. For each image IMAGE
# and architecture ARCH it makes
#
#   OUT/IMAGE/ARCH/files    the program and its library: what the Dockerfile
#                           copies onto its base image
#   OUT/IMAGE/ARCH/rootfs   the same with a base from this host (users, /tmp,
#                           CA certificates, the C library where one is needed):
#                           runs by chroot (with /proc), or as an image by any tool that
#                           packs a folder; for this host's architecture only
#
#   rootfs.sh [--check] [OUT]     OUT is build/images unless given
#
# With --check (as root) it also runs each program inside its rootfs.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$root/tests/setup/pins.sh"
cache=${PODFLAME_CACHE:-$HOME/.cache/podflame}

check=
if [ "${1:-}" = --check ]; then check=yes; shift; fi
out=${1:-$root/build/images}
version=${VERSION:-$(git -C "$root" describe --tags --always --dirty 2>/dev/null || echo unknown)}
user=65532 # as in the Dockerfiles and the manifests

say() { printf 'rootfs: %s\n' "$*"; }
die() { printf 'rootfs: error: %s\n' "$*" >&2; exit 1; }

case $(uname -m) in
  x86_64) native=amd64 ;;
  aarch64) native=arm64 ;;
  *) die "no image is built for $(uname -m)" ;;
esac

# program IMAGE ARCH: the program of an image, statically linked but for what
# loads libraries at run time.
program() {
  say "building $1 for $2"
  (cd "$root" && CGO_ENABLED=0 GOOS=linux GOARCH=$2 go build -trimpath -buildvcs=false \
    -ldflags "-s -w -X main.version=$version" -o "$out/$1/$2/files/usr/local/bin/$1" "./$1")
}

# library IMAGE ARCH: the library that the program loads; the set-up has checked
# its checksum.
library() {
  local from to=$out/$1/$2/files/usr/local/bin
  case $1-$2 in
    sidecar-amd64) from=$cache/async-profiler-$ASPROF_VERSION/linux-x64/libasyncProfiler.so ;;
    sidecar-arm64) from=$cache/async-profiler-$ASPROF_VERSION/linux-arm64/libasyncProfiler.so ;;
    backend-amd64)
      from=$cache/clickhouse-$CHDB_VERSION/libchdb.so
      to=$out/$1/$2/files/usr/lib/podflame
      ;;
    *) return 0 ;; # the webhook needs none, and libchdb is packaged for amd64 only
  esac
  [ -f "$from" ] || die "$from is missing; run tests/setup/setup.sh profiler clickhouse"
  install -D -m 0644 "$from" "$to/$(basename "$from")"
}

# base ROOTFS: what any program needs of a system.
base() {
  install -d "$1/etc/ssl/certs" "$1/proc" "$1/dev" "$1/var" "$1/home/nonroot"
  install -d -m 1777 "$1/tmp"
  printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:%s:%s:nonroot:/home/nonroot:/sbin/nologin\n' $user $user >"$1/etc/passwd"
  printf 'root:x:0:\nnonroot:x:%s:\n' $user >"$1/etc/group"
  printf 'hosts: files dns\n' >"$1/etc/nsswitch.conf"
  if [ -f /etc/ssl/certs/ca-certificates.crt ]; then
    install -m 0644 /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/"
  fi
}

# c_library ROOTFS FILE…: the loader and the shared libraries that files name.
c_library() {
  local rootfs=$1 file
  shift
  # A static file is no error here: it names no library.
  { for file; do ldd "$file" 2>/dev/null || true; done; } | grep -o '/[^ ]*\.so[^ ]*' | sort -u |
    while read -r file; do install -D -m 0755 "$(realpath "$file")" "$rootfs$file"; done
}

image() {
  rm -rf "${out:?}/$1/$2"
  program "$1" "$2"
  library "$1" "$2"
  [ "$2" = "$native" ] || return 0
  local rootfs=$out/$1/$2/rootfs
  install -d "$rootfs"
  base "$rootfs"
  # Hard links: the library of the backend alone is half a gigabyte.
  cp -al "$out/$1/$2/files/." "$rootfs/"
  if [ "$1" = backend ]; then
    c_library "$rootfs" "$rootfs/usr/local/bin/backend" "$rootfs"/usr/lib/podflame/*.so
  fi
  say "$1 for $2: $(du -sh "$rootfs" | cut -f1) in $rootfs"
}

# try IMAGE ARGUMENT…: the program must run in its rootfs, as the image's user,
# in namespaces of its own.
try() {
  unshare --mount --pid --fork --kill-child --root "$out/$1/$native/rootfs" --mount-proc --wd / \
    --setgid $user --setuid $user "/usr/local/bin/$1" "${@:2}" >/dev/null ||
    die "$1 ${*:2} does not run in $out/$1/$native/rootfs"
  say "$1 ${*:2} runs in its rootfs"
}

for arch in amd64 arm64; do
  for name in webhook sidecar backend; do image $name $arch; done
done
if [ "$check" ]; then
  [ "$(id -u)" = 0 ] || die "--check needs root, to change the root"
  for name in webhook sidecar backend; do try $name --help; done
fi
