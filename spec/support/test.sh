#!/bin/sh
# Runs the specs under one Lua after the other and adds up. Usage: test.sh "SPEC…" LUA…
# The last line is "N passed, N failed", with ", N skipped" where specs were skipped; the exit
# status is 0 when none failed. A run that breaks off counts as one failure.

set -u

specs=$1
shift
counts=build/counts
passed=0 failed=0 skipped=0 summary=

for lua; do
  printf '\n== %s\n' "$lua"
  rm -f "$counts"
  (
    eval "$("${MAKE:-make}" -s env LUA="$lua")"
    # shellcheck disable=SC2086
    exec "$lua" spec/support/runner.lua "$counts" $specs
  )
  status=$?
  p=0 f=0 s=0
  [ ! -f "$counts" ] || read -r p f s <"$counts"
  [ "$status" = 0 ] || [ "$f" != 0 ] || { f=1 && echo "$lua ended with status $status"; }
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  summary="$summary$lua: $p passed, $f failed, $s skipped
"
done

rm -f "$counts"
printf '\n%s' "$summary"
echo "$passed passed, $failed failed$([ "$skipped" = 0 ] || echo ", $skipped skipped")"
[ "$failed" = 0 ]
