#!/bin/sh
# Redis, two nodes with the page, and a worker that is replaced whenever it dies, all on loopback:
#
#   SORA_API_KEY=sk-… examples/fleet/run.sh
#
# and http://127.0.0.1:8081 and :8082 show the same fleet. Kill the worker (its id is printed) while
# tasks run: the pages do not notice. Ctrl-C ends all.

here=$(cd "$(dirname "$0")" && pwd)
place=$(mktemp -d)
started=
worker=

finish() {
  trap - EXIT INT TERM
  # shellcheck disable=SC2086
  kill $worker $started 2>/dev/null
  wait
  rm -rf "$place"
  exit
}
trap finish EXIT INT TERM

redis-server --port 6380 --bind 127.0.0.1 --dir "$place" --appendonly yes >"$place/redis.log" &
started=$!
export REDIS_URL="${REDIS_URL:-redis://127.0.0.1:6380/0}"

for port in 8081 8082; do
  mkdir -p "$place/$port/run"
  cp "$here"/*.lua "$here/page.html" "$place/$port"
  sed "s/127.0.0.1:8081/127.0.0.1:$port/" "$here/nginx.conf" >"$place/$port/nginx.conf"
  nginx -p "$place/$port" -e stderr -c nginx.conf &
  started="$started $!"
done

while :; do
  "${LUA:-lua5.4}" "$here/worker.lua" &
  worker=$!
  echo "worker $worker"
  wait "$worker"
  sleep 1
done
