#!/bin/sh
# Runs a server until it is told to end it, or the input ends, since the process that held the other
# end of the pipe has died. The server's folder is removed then.
# Usage: supervisor.sh FOLDER, which holds the server's command line in a file `command`.
#
# Each line of the input is a command of the shell, which knows these besides:
#   start          starts the server
#   crash          kills it, as kill -9 does
#   signal NAME    sends it a signal
#   finish         ends it, and this

folder=$1
cd "$folder" || exit
trap '' INT

start() {
  sh ./command </dev/null >>output 2>&1 &
  pid=$!
  echo "$pid" >pid
}

signal() {
  kill -s "$1" "$pid"
}

crash() {
  signal KILL
  wait "$pid"
}

finish() {
  signal TERM
  {
    sleep 5
    signal KILL
  } &
  watchdog=$!
  wait "$pid"
  kill "$watchdog"
  rm -rf "$folder"
  exit
}

while read -r line; do eval "$line"; done
finish
