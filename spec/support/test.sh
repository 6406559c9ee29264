#!/bin/sh
# Runs the specs under each Lua, JOBS of them at once (all: specs wait more than they work), and adds
# up. Usage: test.sh "SPEC…" LUA…
#
# The output of the first is seen as it comes, that of the others when all have ended, one after the
# other. The last line is "N passed, N failed", with ", N skipped" where specs were skipped; the exit
# status is 0 when none failed. A run that breaks off counts as one failure.

set -u

specs=$1
shift
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
trap 'exit 130' INT TERM

export FIRST="$1"
printf '%s\n' "$@" | xargs -n 1 -P "${JOBS:-$#}" sh spec/support/test_one.sh "$results" "$specs"

passed=0 failed=0 skipped=0 summary=
for lua; do
  [ "$lua" = "$FIRST" ] || cat "$results/$lua.output"
  status=interrupted p=0 f=0 s=0
  [ ! -f "$results/$lua.status" ] || read -r status <"$results/$lua.status"
  [ ! -f "$results/$lua.counts" ] || read -r p f s <"$results/$lua.counts"
  [ "$status" = 0 ] || [ "$f" != 0 ] || { f=1 && echo "$lua ended with status $status"; }
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  summary="$summary$lua: $p passed, $f failed, $s skipped
"
done

printf '\n%s' "$summary"
echo "$passed passed, $failed failed$([ "$skipped" = 0 ] || echo ", $skipped skipped")"
[ "$failed" = 0 ]
