#!/bin/sh
# The wings of csrc/ point one way: json/ and transfer/ at nothing above them, lua/ at both.
# Prints each #include that does not, and fails.
set -u
cd "$(dirname "$0")/../.." || exit 1
bad=0

# refuse FOLDER PATTERN WHY: no file of the folder includes what the pattern matches
refuse() {
  if grep -rnE "^ *# *include +[\"<]($2)" "csrc/$1"; then
    echo "^ csrc/$1: $3" >&2
    bad=1
  fi
}

refuse json 'transfer/|lua/|fleet/|curl/' 'the decoder needs Lua and compat.h alone'
refuse transfer 'json/|lua/|fleet/|compat\.h|lua\.h|lauxlib\.h|lualib\.h' 'transfers know no Lua'
refuse lua 'curl/|fleet/' 'what Lua sees asks the transfers, not libcurl'
exit $bad
