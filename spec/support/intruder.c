/*
 * A Lua module for the specs: code that runs where nobody expects it.
 *
 *   intruder.attempt(road, n, act, fn, …)   calls fn(…), and once in the midst of it act(), at
 *     the n-th place (from 1 on; 0: never). By the road "hook" a place is an instruction, a call or
 *     a return, and act() runs in a debug hook. By the road "finaliser" it is a request for memory:
 *     nothing is collected before it, and from there on act() runs in a finaliser as soon as the
 *     collector has its turn, as it has in nearly every function of Lua's that allocates; after
 *     that nothing is collected either, unless act returned true.
 *     → how many places there were, whether act was called, what pcall(fn, …) returns
 *
 *   intruder.watch(seconds, label)   ends the process, and prints the label, unless it is called
 *     again within that time; 0: no more
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "compat.h"

#define FUNCTION "spec.intruder"
#define PROXY "spec.intruder.proxy"

static struct {
  lua_Alloc allocate; /* the state's own */
  void *data;
  lua_State *L;
  long places, at;
  int armed, called, stopped, goes_on;
  char label[200];
} intruder;

/* The state's own allocator, which counts the places. At the chosen one it has the collector go on,
   whose next step is a whole cycle (see arm). Lua allows that in the midst of a request for memory:
   only the collector's threshold changes. */
static void *allocate(void *data, void *block, size_t old_size, size_t size) {
  (void)data;
  void *granted = intruder.allocate(intruder.data, block, old_size, size);
  if (intruder.armed && size > 0 && (block == NULL || size > old_size) &&
      ++intruder.places == intruder.at)
    lua_gc(intruder.L, LUA_GCRESTART, 0);
  else if (intruder.called && !intruder.goes_on && !intruder.stopped && size > 0)
    intruder.stopped = lua_gc(intruder.L, LUA_GCSTOP, 0) == 0;
  return granted;
}

static void call(lua_State *L) {
  intruder.called++;
  lua_getfield(L, LUA_REGISTRYINDEX, FUNCTION);
  lua_call(L, 0, 1);
  intruder.goes_on = lua_toboolean(L, -1);
  lua_pop(L, 1);
}

static int finalise(lua_State *L) {
  if (intruder.armed)
    call(L);
  return 0;
}

/* Leaves garbage that has a finaliser. */
static void leave_garbage(lua_State *L) {
  lua_newuserdata(L, 1);
  if (luaL_newmetatable(L, PROXY)) {
    lua_pushcfunction(L, finalise);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
}

/* `step` is 2 to that power, in bytes; only Lua 5.4 is told that. */
static void set_pace(lua_State *L, int pause, int multiplier, int step) {
  (void)step;
#if LUA_VERSION_NUM >= 505
  lua_gc(L, LUA_GCINC);
  lua_gc(L, LUA_GCPARAM, LUA_GCPPAUSE, pause);
  lua_gc(L, LUA_GCPARAM, LUA_GCPSTEPMUL, multiplier);
#elif LUA_VERSION_NUM == 504
  lua_gc(L, LUA_GCINC, pause, multiplier, step);
#else
  lua_gc(L, LUA_GCSETPAUSE, pause);
  lua_gc(L, LUA_GCSETSTEPMUL, multiplier);
#endif
}

static void arm(lua_State *L) {
  lua_gc(L, LUA_GCCOLLECT, 0);
  lua_gc(L, LUA_GCCOLLECT, 0);
  lua_gc(L, LUA_GCSTOP, 0);
#if LUA_VERSION_NUM == 504 /* whose numbers are small */
  set_pace(L, 1, 1000, 40);
#else
  set_pace(L, 0, 1000000, 0);
#endif
  leave_garbage(L);
  intruder.L = L;
  if (intruder.allocate == NULL) {
    intruder.allocate = lua_getallocf(L, &intruder.data);
    lua_setallocf(L, allocate, NULL);
  }
  intruder.armed = 1;
}

static void disarm(lua_State *L) {
  intruder.armed = 0;
  set_pace(L, 200, LUA_VERSION_NUM == 504 ? 100 : 200, 13);
  lua_gc(L, LUA_GCRESTART, 0);
}

static void on_event(lua_State *L, lua_Debug *event) {
  (void)event;
  if (++intruder.places == intruder.at) {
    lua_sethook(L, NULL, 0, 0);
    call(L);
  }
}

static int attempt(lua_State *L) {
  static const char *const roads[] = {"finaliser", "hook", NULL};
  int hooks = luaL_checkoption(L, 1, NULL, roads);
  luaL_checktype(L, 3, LUA_TFUNCTION);
  lua_pushvalue(L, 3);
  lua_setfield(L, LUA_REGISTRYINDEX, FUNCTION);
  intruder.at = (long)luaL_checkinteger(L, 2);
  intruder.places = 0;
  intruder.called = intruder.stopped = intruder.goes_on = 0;
  if (hooks)
    lua_sethook(L, on_event, LUA_MASKCOUNT | LUA_MASKCALL | LUA_MASKRET, 1);
  else
    arm(L);
  int status = lua_pcall(L, lua_gettop(L) - 4, LUA_MULTRET, 0);
  if (hooks)
    lua_sethook(L, NULL, 0, 0);
  else
    disarm(L);
  lua_pushinteger(L, (lua_Integer)intruder.places);
  lua_replace(L, 1);
  lua_pushboolean(L, intruder.called > 0);
  lua_replace(L, 2);
  lua_pushboolean(L, status == 0);
  lua_replace(L, 3);
  return lua_gettop(L);
}

static void on_alarm(int number) {
  (void)number;
  ssize_t unused = write(2, intruder.label, strlen(intruder.label));
  (void)unused;
  _exit(3);
}

static int watch(lua_State *L) {
  snprintf(intruder.label, sizeof intruder.label, "hangs: %s\n", luaL_optstring(L, 2, ""));
  signal(SIGALRM, on_alarm);
  alarm((unsigned)luaL_checkinteger(L, 1));
  return 0;
}

/* The state is freed through the allocator after it has closed its libraries. */
static void stay(void) {
  Dl_info info;
  if (dladdr((void *)&intruder, &info) != 0 && info.dli_fname != NULL)
    dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

__attribute__((visibility("default"))) int luaopen_intruder(lua_State *L);

int luaopen_intruder(lua_State *L) {
  static const luaL_Reg functions[] = {{"attempt", attempt}, {"watch", watch}, {NULL, NULL}};
  stay();
  luaL_newlib(L, functions);
  return 1;
}
