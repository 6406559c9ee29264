#!/bin/sh
# Runs a server until the input ends: then the server is ended and its folder removed, however the
# process that held the other end of the pipe has ended.
# Usage: supervisor.sh FOLDER, which holds the server's command line in a file `command`.
#
# Each line of the input is a command of the shell, which knows these besides:
#   start          starts the server
#   crash          kills it, as kill -9 does
#   signal NAME    sends it a signal

cd "$1" || exit
trap '' INT

start() {
  sh ./command </dev/null >>output 2>&1 &
  pid=$!
  echo $pid >pid
}

signal() {
  kill -s "$1" $pid
}

crash() {
  signal KILL
  wait $pid
}

while read -r line; do eval "$line"; done

signal TERM
{
  sleep 5
  signal KILL
} &
watchdog=$!
wait $pid
kill $watchdog
rm -rf "$1"
