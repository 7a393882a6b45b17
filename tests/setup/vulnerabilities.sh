#!/usr/bin/env bash
# vulnerabilities.sh: ask for known vulnerabilities of what is shipped: Go code
# that the three programs call (govulncheck) and front-end packages that the
# browser gets (npm audit). Fails where one is known. Where a database cannot be
# reached, it says that nothing was checked, and fails only with STRICT=1.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$root/tests/setup/pins.sh"
cache=${PODFLAME_CACHE:-$HOME/.cache/podflame}
limit=120 # seconds for one question
failed=0

known() { printf 'vulnerabilities: %s\n%s\n' "$1" "$2" >&2; failed=1; }
unchecked() {
  printf 'vulnerabilities: NOT CHECKED: %s: %s\n' "$1" "$(printf '%s' "$2" | tail -n 1 | cut -c1-300)" >&2
  if [ "${STRICT:-}" = 1 ]; then failed=1; fi
}

# Its exit status is 3 where it has found something, and 1 where it could not look.
go_code() {
  local status=0 output
  if ! [ -e "$cache/bin/govulncheck-$GOVULNCHECK_VERSION" ]; then
    output=$(cd / && GOBIN="$cache/bin" GOFLAGS='' go install "golang.org/x/vuln/cmd/govulncheck@$GOVULNCHECK_VERSION" 2>&1) ||
      { unchecked "Go code, as govulncheck cannot be installed" "$output"; return; }
    touch "$cache/bin/govulncheck-$GOVULNCHECK_VERSION"
  fi
  output=$(cd "$root" && timeout "$limit" "$cache/bin/govulncheck" ./webhook ./sidecar ./backend ./backend/cmd/podflame 2>&1) || status=$?
  case $status in
    0) echo "vulnerabilities: none known in Go code" ;;
    3) known "Go code calls what is known to be vulnerable" "$output" ;;
    *) unchecked "Go code" "${output:-no answer within $limit s}" ;;
  esac
}

# It has the same exit status for a finding and for a failure; its report differs.
front_end() {
  local status=0 output
  output=$(cd "$root/frontend" && timeout "$limit" npm audit --omit=dev --audit-level=low --json 2>/dev/null) || status=$?
  if ! printf '%s' "$output" | grep -q '"auditReportVersion"'; then
    unchecked "front-end packages" "$(printf '%s' "$output" | sed -n 's/.*"\(message\|summary\)": *"\([^"]*\)".*/\2/p' | head -n 1 | grep . || echo "no answer within $limit s")"
  elif [ "$status" -ne 0 ]; then
    known "front-end packages are known to be vulnerable" "$(cd "$root/frontend" && npm audit --omit=dev || true)"
  else
    echo "vulnerabilities: none known in front-end packages"
  fi
}

go_code
front_end
exit "$failed"
