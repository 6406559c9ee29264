/*
 * Hooks of others on the main state, as profilers and interpreters set them: by a signal's handler,
 * while something else runs.
 */
#include <signal.h>
#include <string.h>
#include <sys/time.h>

#include "compat.h"

static lua_State *state;
static int mask, count, raises;
static volatile sig_atomic_t signals, samples;

/* Takes itself away when it runs, as those of a sampling profiler and of Ctrl-C do. */
static void hook(lua_State *L, lua_Debug *activation) {
  (void)activation;
  lua_sethook(L, NULL, 0, 0);
  samples = samples + 1;
  if (raises)
    luaL_error(L, "interrupted!");
}

static void on_signal(int number) {
  (void)number;
  signals = signals + 1;
  lua_sethook(state, hook, mask, count);
}

/* hooks.start(kinds, seconds, every, raises): from then on a signal sets a hook on the main state,
   once or, with `every`, every so many seconds. It is one of the kinds "c", "l" and "#", as those
   of debug.sethook are named, which raises "interrupted!" or counts itself. */
static int start(lua_State *L) {
  const char *kinds = luaL_checkstring(L, 1);
  double seconds = luaL_checknumber(L, 2), every = luaL_optnumber(L, 3, 0);
  struct sigaction action;
  struct itimerval timer = {{0, (long)(every * 1e6)}, {0, (long)(seconds * 1e6)}};
  state = compat_mainthread(L);
  raises = lua_toboolean(L, 4);
  mask = (strchr(kinds, 'c') ? LUA_MASKCALL : 0) | (strchr(kinds, 'l') ? LUA_MASKLINE : 0) |
         (strchr(kinds, '#') ? LUA_MASKCOUNT : 0);
  count = mask & LUA_MASKCOUNT ? 1 : 0;
  signals = samples = 0;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  sigaction(SIGALRM, &action, NULL);
  setitimer(ITIMER_REAL, &timer, NULL);
  return 0;
}

/* hooks.stop() → how many signals came, how often the hook ran */
static int stop(lua_State *L) {
  struct itimerval off = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &off, NULL);
  signal(SIGALRM, SIG_IGN);
  if (lua_gethook(state) == hook)
    lua_sethook(state, NULL, 0, 0);
  lua_pushinteger(L, signals);
  lua_pushinteger(L, samples);
  return 2;
}

__attribute__((visibility("default"))) int luaopen_hooks(lua_State *L);

int luaopen_hooks(lua_State *L) {
  static const luaL_Reg functions[] = {{"start", start}, {"stop", stop}, {NULL, NULL}};
  compat_mainthread(L); /* 5.1 knows it once it was seen */
  luaL_newlib(L, functions);
  return 1;
}
