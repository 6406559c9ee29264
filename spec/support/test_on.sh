#!/bin/sh
# Runs specs in another Debian, as somebody does who has just cloned this there.
# Usage: test_on.sh SUITE "SPEC…" [LUA…], from the top of the checkout.
#
# The first run unpacks SUITE into build/SUITE/root, from the mirror that this machine's apt has.
# The checkout is seen there as it is, with a folder build/ of its own. Mounts and processes belong
# to namespaces that end with the run, however it ends: nothing is left to unmount or to kill.
# Where this cannot be done, a line says why, and nothing has failed.

set -eu

skip() {
  echo "skipped: $suite cannot be entered here, $1"
  exit 0
}

# Unpacks it beside its place, so that what is there is whole.
unpack() {
  script=/usr/share/debootstrap/scripts/$suite
  [ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
  rm -rf "$root.part"
  mkdir -p "$root.part"
  debootstrap --variant=minbase --include=git,make,gcc,libc6-dev "$suite" "$root.part" \
    "$(sh spec/support/mirror.sh)" "$script" >"$root.log" 2>&1 ||
    skip "debootstrap failed, see $root.log"
  mv "$root.part" "$root"
}

enter() {
  cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
  # how this machine reaches a mirror: proxies, and whether its clock is to be trusted
  apt-config dump | grep -E '^Acquire::(http|https|Check-|Retries)' \
    >"$root/etc/apt/apt.conf.d/90machine" || true
  mount --bind "$root" "$root" # so that specs can make namespaces of their own there
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  mount -t tmpfs tmpfs "$root/tmp"
  mkdir -p "$root/checkout" "build/$suite/build"
  mount --bind . "$root/checkout"
  mount --bind "build/$suite/build" "$root/checkout/build"
  # shellcheck disable=SC2016
  chroot "$root" env -i HOME=/root TERM="${TERM-dumb}" LANG=C.UTF-8 \
    PATH=/usr/sbin:/usr/bin:/sbin:/bin ${REDIS_SERVER:+REDIS_SERVER="$REDIS_SERVER"} \
    sh -c 'cd /checkout && exec make test SPECS="$1" ${2:+LUAS="$2"}' sh "$specs" "$*"
}

if [ "$1" != inside ]; then
  suite=$1
  [ "$(id -u)" = 0 ] || skip "only root can"
  [ -n "$(sh spec/support/mirror.sh)" ] || skip "apt knows no mirror of Debian"
  sh spec/support/setup.sh system || skip "debootstrap cannot be had"
  unshare --mount --pid true 2>/dev/null || skip "no namespaces can be made"
  exec unshare --mount --propagation private --pid --fork --kill-child sh "$0" inside "$@"
fi

suite=$2 specs=$3
shift 3
root=build/$suite/root
[ -d "$root" ] || unpack
enter "$@"
