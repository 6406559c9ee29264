#!/bin/sh
# Prints the address of Debian's archive, as this machine's apt has it; nothing where it has none.
# shellcheck disable=SC2016
apt-get indextargets --format '$(REPO_URI)' \
  'Created-By: Packages' 'Origin: Debian' 'Label: Debian' 2>/dev/null | head -n 1
