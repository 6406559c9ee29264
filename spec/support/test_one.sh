#!/bin/sh
# Runs the specs under one Lua, for test.sh. Usage: test_one.sh RESULTS "SPEC…" LUA
# RESULTS/LUA.counts gets the counts, LUA.status how it ended, and, unless it is $FIRST, LUA.output
# what it printed.

set -u

results=$1 specs=$2 lua=$3
[ "$lua" = "$FIRST" ] || exec >"$results/$lua.output" 2>&1

printf '\n== %s\n' "$lua"
eval "$("${MAKE:-make}" -s env LUA="$lua")"
# All the specs are run room by room, each in a process of its own: the more a process has in memory,
# the longer every full collection takes, and some specs ask for thousands.
if [ "$specs" = spec ]; then
  # shellcheck disable=SC2046
  set -- $(dirname spec/*/*_spec.lua | sort -u)
else
  set -- "$specs"
fi

status=0 passed=0 failed=0 skipped=0
for room; do
  # shellcheck disable=SC2086
  "$lua" spec/support/runner.lua "$results/$lua.room" $room || status=$?
  p=0 f=1 s=0 # one that breaks off leaves no counts
  if [ -f "$results/$lua.room" ]; then
    read -r p f s <"$results/$lua.room"
  else
    echo "$lua: $room ended with status $status"
  fi
  rm -f "$results/$lua.room"
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
echo "$passed $failed $skipped" >"$results/$lua.counts"
echo "$status" >"$results/$lua.status"
