#!/bin/sh
# Unpacks the oldest libcurl that sora is for, 7.74, into a folder: Debian 11's library and headers, and
# what they need that newer systems do not have. Once. Usage: oldest_curl.sh FOLDER
# Prints the variables with which make builds against it and has it loaded from there; where it cannot
# be had, only a line that says so, to standard error.

set -eu

folder=$1

# apt-get with lists of its own, those of Debian 11, and nothing installed.
apt_of_debian_11() {
  apt-get -q -q -o APT::Sandbox::User=root -o Dir::Etc::SourceList="$part/apt/sources.list" \
    -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$part/apt/lists" \
    -o Dir::State::Status="$part/apt/status" -o Dir::Cache="$part/apt/cache" "$@"
}

unpack() {
  mirror=$(sh spec/support/mirror.sh)
  [ -n "$mirror" ] || return 1
  part=$PWD/$folder.part
  rm -rf "$part"
  mkdir -p "$part/apt/lists/partial" "$part/apt/cache/archives/partial"
  echo "deb $mirror bullseye main" >"$part/apt/sources.list"
  : >"$part/apt/status"
  apt_of_debian_11 update
  (cd "$part" &&
    apt_of_debian_11 download libcurl4 libcurl4-openssl-dev libssl1.1 libldap-2.4-2) || return 1
  for archive in "$part"/*.deb; do dpkg -x "$archive" "$part" && rm "$archive"; done
  rm -rf "$part/apt"
  mv "$part" "$folder"
}

[ -d "$folder" ] || unpack >&2 || {
  echo "skipped: libcurl 7.74 cannot be had, this apt reaches no archive that has Debian 11" >&2
  exit 0
}
headers=$(dirname "$(dirname "$(find "$PWD/$folder" -name curl.h)")")
libraries=$(dirname "$(find "$PWD/$folder" -name libcurl.so)")
# The old kind of rpath, through which libcurl's own libraries are found as well.
printf "CURL_CFLAGS='-isystem %s'\n" "$headers"
printf "CURL_LIBS='-L%s -Wl,--disable-new-dtags,-rpath,%s -lcurl'\n" "$libraries" "$libraries"
