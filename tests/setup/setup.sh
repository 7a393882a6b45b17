#!/usr/bin/env bash
# Installs what Podflame needs and this machine lacks, pinned by version and
# checksum, into one cache directory. Safe to run twice: what is there and
# whole is left alone. Says what it fetches.
#
#   setup.sh [PART…]   parts: java profiler clickhouse frontend browser compiler lint
#                      (default: all of them but compiler and lint)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$here/pins.sh"

cache=${PODFLAME_CACHE:-$HOME/.cache/podflame}
mkdir -p "$cache"
work=$(mktemp -d "$cache/setup.XXXXXX")
trap 'rm -rf "$work"' EXIT

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: error: %s\n' "$*" >&2; exit 1; }

# need COMMAND HINT: stops unless COMMAND is on the PATH.
need() { command -v "$1" >/dev/null || die "$1 is not installed; $2"; }

# check_sha256 FILE SUM
check_sha256() {
  local actual
  actual=$(sha256sum "$1" | cut -d' ' -f1)
  [ "$actual" = "$2" ] || die "$(basename "$1") has SHA-256 $actual, expected $2; remove it and run setup again, or check the pin in tests/setup/pins.sh"
}

# debian COMMAND PACKAGE…: installs Debian packages when COMMAND is missing.
debian() {
  local command=$1
  shift
  command -v "$command" >/dev/null && return
  say "installing Debian package(s) $* ($command is missing)"
  need apt-get "install $* by your own package manager"
  local sudo=
  [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

java() { debian javac default-jdk-headless; }

# profiler puts libasyncProfiler.so of both architectures under
# $cache/async-profiler-VERSION/ from the author's Maven artifact.
profiler() {
  local dir=$cache/async-profiler-$ASPROF_VERSION
  if [ -f "$dir/complete" ]; then return; fi
  need mvn "install Maven (Debian: maven)"
  debian unzip unzip
  say "fetching tools.profiler:async-profiler:$ASPROF_VERSION (0.9 MB) by Maven"
  mvn -q -B "org.apache.maven.plugins:maven-dependency-plugin:$MAVEN_DEPENDENCY_PLUGIN:copy" \
    -Dartifact="tools.profiler:async-profiler:$ASPROF_VERSION" -DoutputDirectory="$work/asprof" </dev/null
  local jar=$work/asprof/async-profiler-$ASPROF_VERSION.jar
  check_sha256 "$jar" "$ASPROF_JAR_SHA256"
  unzip -oq "$jar" 'linux-x64/*' 'linux-arm64/*' -d "$work/asprof"
  check_sha256 "$work/asprof/linux-x64/libasyncProfiler.so" "$ASPROF_X64_SHA256"
  check_sha256 "$work/asprof/linux-arm64/libasyncProfiler.so" "$ASPROF_ARM64_SHA256"
  chmod -R a+rX "$work/asprof"
  touch "$work/asprof/complete"
  rm -rf "$dir" && mv "$work/asprof" "$dir"
}

# clickhouse puts libchdb.so (ClickHouse as a library, 566 MB) under
# $cache/clickhouse-VERSION/ from its npm package.
clickhouse() {
  local dir=$cache/clickhouse-$CHDB_VERSION
  if [ -f "$dir/complete" ]; then return; fi
  need npm "install Node.js 20 or later"
  debian openssl openssl
  [ "$(uname -m)" = x86_64 ] || die "embedded ClickHouse is packaged for x86_64 only, this is $(uname -m); run the backend with --clickhouse DSN"
  say "fetching $CHDB_PACKAGE@$CHDB_VERSION (178 MB) by npm"
  mkdir -p "$work/clickhouse"
  local tarball
  tarball=$work/$(cd "$work" && npm pack --silent "$CHDB_PACKAGE@$CHDB_VERSION")
  local actual
  actual=sha512-$(openssl dgst -sha512 -binary "$tarball" | base64 -w0)
  [ "$actual" = "$CHDB_INTEGRITY" ] || die "$CHDB_PACKAGE@$CHDB_VERSION has integrity $actual, expected $CHDB_INTEGRITY; check the pin in tests/setup/pins.sh"
  tar xzf "$tarball" -C "$work/clickhouse" --strip-components=1 package/libchdb.so
  touch "$work/clickhouse/complete"
  rm -rf "$dir" && mv "$work/clickhouse" "$dir"
}

# frontend installs the front end's packages at the versions of its lockfile.
frontend() {
  local lock=$root/frontend/package-lock.json stamp=$root/frontend/node_modules/.podflame-lock
  need npm "install Node.js 20 or later"
  if cmp -s "$lock" "$stamp"; then return; fi
  say "fetching the front end's packages by npm ci"
  (cd "$root/frontend" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
  cp "$lock" "$stamp"
}

browser() { debian chromium chromium fonts-dejavu-core; }

# compiler is what the race detector needs.
compiler() { debian gcc gcc libc6-dev; }

# lint builds golangci-lint from its Go module.
lint() {
  local stamp=$cache/bin/golangci-lint-$GOLANGCI_LINT_VERSION
  if [ -e "$stamp" ]; then return; fi
  say "building golangci-lint $GOLANGCI_LINT_VERSION (some minutes, once)"
  (cd / && GOBIN="$cache/bin" GOFLAGS= go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$GOLANGCI_LINT_VERSION")
  touch "$stamp"
}

need go "install Go 1.26 or later"
for part in "${@:-all}"; do
  case $part in
    all) java; profiler; clickhouse; frontend; browser ;;
    java | profiler | clickhouse | frontend | browser | compiler | lint) "$part" ;;
    *) die "unknown part $part; parts are java profiler clickhouse frontend browser compiler lint" ;;
  esac
done
say "ready: $cache"
