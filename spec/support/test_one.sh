#!/bin/sh
# Runs the specs under one Lua, for test.sh. Usage: test_one.sh RESULTS "SPEC…" LUA
# RESULTS/LUA.counts gets the counts, LUA.status how it ended, and, unless it is $FIRST, LUA.output
# what it printed.

set -u

results=$1 specs=$2 lua=$3
[ "$lua" = "$FIRST" ] || exec >"$results/$lua.output" 2>&1

printf '\n== %s\n' "$lua"
eval "$("${MAKE:-make}" -s env LUA="$lua")"
# shellcheck disable=SC2086
"$lua" spec/support/runner.lua "$results/$lua.counts" $specs
echo $? >"$results/$lua.status"
