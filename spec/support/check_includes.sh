#!/bin/sh
# The wings of csrc/ point one way: json/ and transfer/ at nothing above them, lua/ and fleet/ at
# what is below. fleet/ is a module of its own, and no other file knows hiredis.
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

refuse json 'transfer/|lua/|fleet/|curl/|hiredis/' 'the decoder needs Lua and compat.h alone'
refuse transfer 'json/|lua/|fleet/|hiredis/|compat\.h|lua\.h|lauxlib\.h|lualib\.h' 'transfers know no Lua'
refuse lua 'curl/|fleet/|hiredis/' 'what Lua sees asks the transfers, not libcurl'
if grep -rlE '^ *# *include +<(openssl|gnutls)/' csrc | grep -vE '^csrc/(lua/mac|fleet/tls)\.c$'; then
  echo "^ the TLS library is known in csrc/lua/mac.c and csrc/fleet/tls.c alone" >&2
  bad=1
fi
if grep -rnE '^ *# *include +["<](json/|curl/|lua/)' csrc/fleet | grep -v '"lua/metatable\.h"'; then
  echo "^ csrc/fleet: the fleet has Redis, and no HTTP; of lua/ it has metatable.h alone" >&2
  bad=1
fi
exit $bad
