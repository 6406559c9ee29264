/*
 * Many Lua states in one process, each on a thread of its own: threads COUNT SCRIPT [ARGUMENT …]
 *
 * Each thread makes a state, gives it `arg` and `thread` (its number), runs the script and closes
 * the state. The exit status is 1 when one of them raised.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <lua.h>
#include <lauxlib.h>
#include <lualib.h>

static char **arguments;
static int argument_count;

static int run(lua_State *L) {
  luaL_openlibs(L);
  lua_pushvalue(L, 1);
  lua_setglobal(L, "thread");
  lua_newtable(L);
  for (int i = 2; i < argument_count; i++) {
    lua_pushstring(L, arguments[i]);
    lua_rawseti(L, -2, i - 2);
  }
  lua_setglobal(L, "arg");
  if (luaL_loadfile(L, arguments[2]) != 0)
    return lua_error(L);
  lua_call(L, 0, 0);
  return 0;
}

static void *life(void *number) {
  lua_State *L = luaL_newstate();
  if (L == NULL)
    return number;
  lua_pushcfunction(L, run);
  lua_pushinteger(L, *(int *)number);
  int failed = lua_pcall(L, 1, 0, 0);
  if (failed)
    fprintf(stderr, "thread %d: %s\n", *(int *)number, lua_tostring(L, -1));
  lua_close(L);
  return failed ? number : NULL;
}

int main(int count, char **values) {
  pthread_t threads[64];
  int numbers[64], failed = 0, most = count > 2 ? atoi(values[1]) : 0;
  if (most < 1 || most > 64)
    return 2;
  arguments = values;
  argument_count = count;
  for (int i = 0; i < most; i++) {
    numbers[i] = i + 1;
    if (pthread_create(&threads[i], NULL, life, &numbers[i]) != 0)
      return 2;
  }
  for (int i = 0; i < most; i++) {
    void *raised;
    pthread_join(threads[i], &raised);
    failed |= raised != NULL;
  }
  return failed;
}
