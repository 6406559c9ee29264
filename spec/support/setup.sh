#!/bin/sh
# Sees to it that what is needed is here: to build, to analyze the C files, to run the stand-in
# service, to test, to test under valgrind, or for all that CI does.
# Usage: setup.sh build|analyze|run|test|valgrind|ci LUA…, or
# setup.sh docs LUA for what renders the documentation, or
# setup.sh system for what unpacks another Debian.
#
# A need is recognised by what is really used (a command, a pkg-config module, a Lua module), so
# that whatever satisfies it will do. What is missing is installed with apt-get, as root or through
# sudo; without apt-get it is named. Where nothing is missing, apt-get is not even asked.

set -eu

purpose=$1
shift
luas=$*

# $REDIS_SERVER, redis-server or valkey-server, is which of them is needed; without it either will do.

# Every need: how to recognise it, Debian's packages, the reason.
needs() {
  if [ "$purpose" = system ]; then
    need command:debootstrap debootstrap "unpacks another Debian"
    return 0
  fi
  if [ "$purpose" = docs ]; then
    need "command:$luas" "$luas" "prepares the documentation"
    need command:pandoc pandoc "renders it"
    return 0
  fi
  need command:cc "gcc libc6-dev" "compiles the C module"
  need command:pkg-config pkg-config "finds the headers of Lua and libcurl"
  [ -n "${CURL_LIBS-}" ] ||
    need pkg-config:libcurl libcurl4-openssl-dev "headers of libcurl, which speaks HTTPS"
  need pkg-config:libcrypto libssl-dev "HMAC, by which webhooks are verified"
  for lua in $luas; do
    case $lua in
    lua5.1) interpreter=lua5.1 headers=liblua5.1-0-dev ;;
    luajit) choose_luajit ;;
    lua5.*) interpreter=$lua headers=lib$lua-dev ;;
    *) continue ;;
    esac
    need "command:$lua" "$interpreter" "the interpreter $lua"
    [ -n "${LUA_INCDIR-}" ] || need "pkg-config:$lua" "$headers" "headers of $lua"
  done
  need path:/etc/ssl/cert.pem:/etc/ssl/certs ca-certificates "the authorities that HTTPS trusts"
  [ "$purpose" != build ] || return 0

  case $purpose in
  analyze | ci)
    need command:gcc gcc "has an analyzer"
    need command:clang-tidy clang-tidy "analyzes the C files"
    need command:cppcheck cppcheck "analyzes the C files"
    [ "$purpose" = ci ] || return 0
    ;;
  esac

  need service:http.server "lua5.4 lua-http" "the stand-in service is built on it"
  need module:socket lua-socket "the ports of the stand-in service that are no good server's"
  need module:dkjson lua-dkjson "control of the stand-in service"
  need module:system lua-system "waits for the stand-in service to start"
  [ "$purpose" != run ] || return 0

  need command:curl curl "the specs ask it what the stand-in service sends"
  need command:openssl openssl "a server that asks for renegotiation"
  need module:busted lua-busted "runs the specs"
  need optional:cjson lua-cjson "the decoder is compared with it"
  need optional:cqueues lua-cqueues "a host: sora.cqueues runs in its loop"
  need optional:luv lua-luv "a host: sora.luv runs in its loop"
  need command:nvim neovim "a host: sora.luv runs in it"
  need command:ps procps "tells the processes of nginx"
  need command:ip iproute2 "networks of the specs' own"
  need redis:server unpack:redis "what a fleet shares its tasks through, unpacked into build/redis"
  need pkg-config:hiredis libhiredis-dev "headers of hiredis, with which fleets speak to Redis"
  need servers:all unpack:servers "what the client is tried with, unpacked into build/servers"
  case " $luas " in
  *" luajit "*) need host:nginx unpack:nginx "the host of resty.sora, unpacked into build/nginx" ;;
  esac
  [ "$purpose" != test ] || return 0

  need command:valgrind valgrind "looks for faults of memory, counts the core paths' instructions"
  [ "$purpose" != valgrind ] || return 0

  need command:clang clang "the second compiler that warnings are asked of"
  need clang-runtime:fuzzer libclang-rt-dev "fuzzes the decoder"
  need command:clang-format clang-format "checks the format of the C files"
  need command:luacheck lua-check "checks the Lua files"
  need command:luarocks luarocks "builds the rock"
  need path:build/prometheus/usr/bin/promtool unpack:prometheus \
    "checks the metrics, unpacked into build/prometheus"
}

# Whether apt-get has it, not only a package that speaks of it.
can_install() {
  LC_ALL=C apt-cache policy "$1" 2>/dev/null | grep -q 'Candidate: [^(]'
}

# Debian and Ubuntu have two LuaJITs that exclude each other. OpenResty's is the one that nginx's
# Lua module wants; the other one is left alone where it is installed.
choose_luajit() {
  interpreter=luajit headers=libluajit-5.1-dev
  met command luajit && met pkg-config luajit && return
  if ! installed libluajit-5.1-2 && can_install luajit2; then
    interpreter=luajit2 headers=libluajit2-5.1-dev
  fi
}

# need KIND:WHAT PACKAGES REASON: adds a line to $missing where the need is not met.
need() {
  met "${1%%:*}" "${1#*:}" "$2" || missing="$missing$2|$3
"
}

met() {
  case $1 in
  command) command -v "$2" >/dev/null ;;
  pkg-config) pkg-config --exists "$2" 2>/dev/null ;;
  path) any_file "$2" ;;
  host) any_file "build/nginx/usr/sbin/nginx:/usr/local/openresty/nginx/sbin/nginx" ||
    any_file /usr/lib/nginx/modules/ngx_http_lua_module.so ;;
  servers) [ -e build/servers/unpacked ] ;;
  redis)
    for server in ${REDIS_SERVER:-redis-server valkey-server}; do
      if any_file "build/redis/usr/bin/$server" || met command "$server"; then return 0; fi
    done
    return 1
    ;;
  clang-runtime) set -- "$(clang -print-runtime-dir 2>/dev/null)"/*"$2"* && [ -e "$1" ] ;;
  module) for lua in $luas; do has_module "$lua" "$2" || return 1; done ;;
  # A package that has nothing for that Lua has to do: the specs that want it are skipped.
  optional) for lua in $luas; do has_module "$lua" "$2" || installed "$3" || return 1; done ;;
  service)
    for lua in $luas lua5.4 lua5.3 luajit lua5.1; do
      has_module "$lua" "$2" && has_module "$lua" _cqueues && return 0
    done
    return 1
    ;;
  esac
}

# any_file PATH:PATH…: one of them is a file, or a folder with something in it.
any_file() (
  IFS=:
  for path in $1; do
    [ -n "$(ls "$path" 2>/dev/null)" ] && return 0
  done
  return 1
)

# has_module LUA MODULE: the interpreter finds the module on its path. lua-http, which is packaged
# up to Lua 5.3, may be there: the stand-in service makes do with that under every Lua.
has_module() {
  "$1" - "$2" <<'END' 2>/dev/null
    local name = ...
    local path = package.path .. ";" .. package.cpath
    if name == "http.server" then path = path .. ";/usr/share/lua/5.3/?.lua" end
    for template in path:gmatch "[^;]+" do
      if io.open((template:gsub("?", (name:gsub("%.", "/"))))) then os.exit(0) end
    end
    os.exit(1)
END
}

installed() {
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# unpack FOLDER PACKAGE…: into build/FOLDER, each with all that apt-get would install beside it, in
# whatever release this is. What is installed would be started: a service of the machine's. A package
# that the release does not have is missed by its specs alone, which say so.
unpack() (
  mkdir -p "build/$1"
  cd "build/$1"
  shift
  for package; do
    apt-get -q -q -s --no-install-recommends install "$package" 2>/dev/null || true
  done | awk '$1 == "Inst" { print $2 }' | sort -u |
    xargs -r apt-get -q -q -o APT::Sandbox::User=root download
  for archive in *.deb; do [ ! -e "$archive" ] || { dpkg -x "$archive" . && rm "$archive"; }; done
  touch unpacked
)

list_missing() {
  printf '%s' "$missing" | while IFS='|' read -r packages reason; do
    printf '  %-22s %s\n' "$packages" "$reason"
  done
}

stop() {
  echo "$1" >&2
  list_missing >&2
  exit 1
}

missing=
needs
[ -n "$missing" ] || exit 0

command -v apt-get >/dev/null ||
  stop "These are missing (by Debian's names); there is no apt-get here, please install them:"
as_root=
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null ||
    stop "These packages are missing; this is not root and there is no sudo, please install them:"
  as_root=sudo
fi

# What it cannot refresh it says; the lists may do as they are.
$as_root apt-get -q -q update || true
missing=
needs
echo "Installing what is missing:"
list_missing
# --no-remove: a machine's own choice between packages that exclude each other stands.
# shellcheck disable=SC2046
$as_root env DEBIAN_FRONTEND=noninteractive \
  apt-get -q -q -y --no-install-recommends --no-remove install \
  $(printf '%s' "$missing" | cut -d'|' -f1 | grep -v ^unpack:) >/dev/null
case $missing in *unpack:nginx*) unpack nginx nginx-light libnginx-mod-http-lua ;; esac
case $missing in
*unpack:redis*)
  server=${REDIS_SERVER:-valkey-server}
  can_install "$server" || server=redis-server
  unpack redis "$server"
  ;;
esac
case $missing in *unpack:prometheus*) unpack prometheus prometheus ;; esac
case $missing in
*unpack:servers*) unpack servers apache2-bin h2o haproxy nghttp2-server nginx squid ;;
esac

missing=
needs
[ -z "$missing" ] || stop "Still missing, although the packages are installed:"
