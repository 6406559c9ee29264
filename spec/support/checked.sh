#!/bin/bash
# Runs specs with a checker of memory beneath every interpreter that they start.
# Usage: checked.sh asan|valgrind "SPEC…" LUA…
#
# A script of its name, put before it on PATH, starts an interpreter as the checker wants. So the
# interpreters that specs start are checked as well; sh, make and curl are not, nor is the stand-in
# service. Each process writes what was found into a file of its own, and so it is told even where
# nobody reads the standard error of a process or asks for its status. The exit status is 0 when no
# spec failed and nothing was found.

set -eu

checker=$1 specs=$2
shift 2

top=$PWD/build/$checker
reports=$top/reports
rm -rf "$top"
mkdir -p "$reports" "$top/bin"

# The path of a library of gcc's.
runtime() {
  "${CC:-cc}" -print-file-name="lib$1.so" | grep / || { echo "gcc has no lib$1.so" >&2 && exit 1; }
}

case $checker in
asan)
  export SANITIZE=address,undefined
  export ASAN_OPTIONS="log_path=$reports/asan:detect_leaks=1"
  export UBSAN_OPTIONS=print_stacktrace=1 UBSAN_REPORTS=$reports/ubsan
  export LSAN_OPTIONS="suppressions=$PWD/spec/support/lsan.supp:print_suppressions=0"
  "${CC:-cc}" -shared -fPIC -o "$top/preloaded.so" spec/support/preloaded.c
  asan=$(runtime asan)
  ubsan=$(runtime ubsan)
  start="export LD_PRELOAD='$asan $ubsan $top/preloaded.so'; exec -a"
  ;;
valgrind)
  # it cannot be told the name that the interpreter is to go by
  start="shift; exec valgrind -q --log-file=$reports/%p --leak-check=full \
    --show-leak-kinds=definite --suppressions=$PWD/spec/support/valgrind.supp"
  ;;
esac

for lua; do
  "${MAKE:-make}" -s LUA="$lua" build support >/dev/null
  real=$(command -v "$lua")
  cat >"$top/bin/$lua" <<END
#!/bin/bash
case $lua-\${1-} in
*-spec/support/service.lua) exec $real "\$@" ;;
*-spec/support/runner.lua) ;;
# Leaks are looked for from C; LuaJIT's own memory is none of it. What a program that calls os.exit
# holds would be taken for lost.
luajit-*) export ASAN_OPTIONS=\$ASAN_OPTIONS:detect_leaks=0 ;;
esac
run() {
  $start "\$@"
}
run $lua $real "\$@"
END
  chmod +x "$top/bin/$lua"
done

status=0
PATH=$top/bin:$PATH sh spec/support/test.sh "--exclude-tags=unchecked $specs" "$@" || status=1

found=$(find "$reports" -type f -size +0)
if [ -n "$found" ]; then
  cat $found
  echo "$checker found something, see above or $reports"
  status=1
fi
if [ "$checker" = valgrind ] && [ -z "$(ls "$reports")" ]; then
  echo "valgrind did not run: it writes a file for each process, be it an empty one"
  status=1
fi
exit $status
