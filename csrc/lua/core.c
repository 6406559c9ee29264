/*
 * luaopen_sora_core: what Lua sees of the module in C.
 */
#include <sys/ioctl.h>
#include <unistd.h>

#include "compat.h"
#include "json/decode.h"
#include "lua/answer.h"
#include "lua/attempt.h"
#include "lua/blocking.h"
#include "lua/client.h"
#include "lua/encode.h"
#include "lua/error.h"
#include "lua/heap.h"
#include "lua/mac.h"
#include "lua/nginx.h"
#include "lua/options.h"
#include "lua/part.h"
#include "lua/picture.h"
#include "lua/request.h"
#include "lua/secrets.h"
#include "lua/task.h"
#include "transfer/backoff.h"
#include "transfer/features.h"
#include "transfer/process.h"
#include "transfer/timers.h"
#include "transfer/url.h"

/* ---- chance, texts ---- */

/* core.random() → a number from 0 to 1 */
static int random_to_lua(lua_State *L) {
  lua_pushnumber(L, sora_random());
  return 1;
}

/* core.backoff(failures) → seconds before the next attempt after so many failures in a row, at
   least 1 */
static int backoff(lua_State *L) {
  lua_pushnumber(L, sora_backoff((long)luaL_checkinteger(L, 1) - 1));
  return 1;
}

/* core.id_fault(value) → what is wrong with it as the id of a task, or nil */
static int id_fault(lua_State *L) {
  luaL_checkany(L, 1);
  if (sora_push_id_fault(L, 1) == NULL)
    lua_pushnil(L);
  return 1;
}

/* core.path_fault(text) → what is wrong with it as a path behind the base URL, or nil */
static int path_fault(lua_State *L) {
  lua_pushstring(L, sora_url_path_fault(luaL_checkstring(L, 1), 0));
  return 1;
}

/* core.plain(text [, limit]) → what somebody else wrote, fit for a message, at most `limit` bytes
   (200) and "..." where it was cut */
static int plain(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  sora_push_plain(L, text, length, (size_t)luaL_optinteger(L, 2, 200));
  return 1;
}

/* ---- the machine ---- */

/* core.error(fields [, client [, opts]]) → an error object. What the client and the options of the
   call have for secrets is kept out of its texts; a closed client has no more, and then the error
   only says that it is closed. */
static int make_error(lua_State *L) {
  struct secrets secrets = {NULL, NULL};
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 3);
  struct held_secrets *held = lua_isnil(L, 2) ? NULL : sora_secrets_push(L, 2, 3, &secrets);
  if (held == NULL && !lua_isnil(L, 2))
    sora_error_withhold(L, sora_client_closed);
  sora_error_make(L, &secrets);
  if (held != NULL)
    sora_secrets_let_go(held);
  return 1;
}

static int now(lua_State *L) {
  lua_pushnumber(L, sora_now());
  return 1;
}

/* core.terminal(fd) → its width in columns when the descriptor is a terminal, else nothing */
static int terminal(lua_State *L) {
  struct winsize size;
  int fd = (int)luaL_checkinteger(L, 1);
  if (!isatty(fd))
    return 0;
  lua_pushinteger(L, ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80);
  return 1;
}

/* Adds the table `versions` to the module, which is at 1. */
static void set_versions(lua_State *L) {
  struct features features;
  sora_features(&features);
  lua_newtable(L);
  lua_pushstring(L, features.built);
  lua_setfield(L, -2, "built"); /* against the headers of that libcurl */
  lua_pushstring(L, features.loaded);
  lua_setfield(L, -2, "libcurl");
  lua_pushstring(L, features.tls);
  lua_setfield(L, -2, "tls");
  lua_pushboolean(L, features.http2);
  lua_setfield(L, -2, "http2");
  lua_setfield(L, 1, "versions");
}

__attribute__((visibility("default"))) int luaopen_sora_core(lua_State *L) {
  static const luaL_Reg functions[] = {
      /* the module's own, in Lua */
      {"query", sora_query},             /* users: it is sora.query */
      {"decode", sora_answer_decode},    /* users: it is sora.decode */
      {"client", sora_client_to_lua},    /* hosts/module.lua, for sora.client and default clients */
      {"encode", sora_encode},           /* users: it is sora.encode */
      {"data_uri", sora_picture_uri},    /* creating/body.lua */
      {"default", sora_default_client},  /* init.lua: the client of sora.query */
      {"query_on", sora_query_on},       /* hosts/module.lua: client:query where it may block */
      {"check", sora_client_check_call}, /* hosts/call.lua, for each call */
      {"options", sora_options},         /* hosts/call.lua, for each call */
      {"driver", sora_client_driver},    /* hosts/call.lua, hosts/inbox.lua */
      {"shared", sora_client_shared},    /* hosts/inbox.lua, waiting/wait.lua */
      {"request", sora_client_request},  /* hosts/inbox.lua */
      {"again", sora_client_again},      /* hosts/inbox.lua */
      {"fetch", sora_client_fetch},      /* videos/download.lua */
      {"call", sora_client_call},        /* creating/create.lua */
      {"path_fault", path_fault},        /* hosts/arguments.lua */
      {"retries", sora_client_retries},  /* videos/download.lua */
      {"finished", sora_client_finished}, /* hosts/inbox.lua, resty.sora */
      {"attempt", sora_attempt_next},     /* hosts/inbox.lua */
      {"send", sora_client_send_it},      /* resty.sora */
      {"remind", sora_client_remind},     /* resty.sora */
      {"nginx_watch", sora_nginx_watch},  /* resty.sora */
      {"close", sora_client_close_it},    /* hosts/inbox.lua: client:close */
      {"cancel", sora_client_cancel_all}, /* hosts/inbox.lua: client:cancel */
      {"step", sora_step},                /* hosts/plain.lua */
      {"poll", sora_poll},                /* hosts/plain.lua */
      {"heap", sora_heap_to_lua},         /* waiting/many.lua, videos/deliveries.lua */
      {"error", make_error},              /* whoever makes an error in Lua */
      {"now", now},                       /* whoever looks at the clock */
      {"random", random_to_lua},          /* waiting/poller.lua */
      {"backoff", backoff},               /* videos/download.lua */
      {"id_fault", id_fault},             /* hosts/arguments.lua, videos/download.lua */
      {"plain", plain},                   /* answers, waiting and terminal: texts of the service */
      {"terminal", terminal},             /* terminal/progress_bar.lua */
      {"content_url", sora_request_content_url}, /* videos/download.lua */
      {"part", sora_part_to_lua},                /* videos/download.lua */
      {NULL, NULL}};
  static const luaL_Reg of_request[] = {{"result", sora_result}, {NULL, NULL}};
  luaL_checkversion(L);
  lua_getfield(L, LUA_REGISTRYINDEX, SORA_CORE);
  if (lua_istable(L, -1)) /* `require` was made to forget it: what is in use stays as it is */
    return 1;
  compat_mainthread(L); /* 5.1 can only be asked for it while it runs */
  sora_secrets_open(L);
  sora_error_open(L);
  sora_task_open(L);
  sora_request_open(L);
  sora_part_open_lua(L);
  sora_heap_open(L);
  sora_nginx_open(L);
  lua_settop(L, 0);
  lua_newtable(L);
  sora_json_new(L);
  lua_createtable(L, 1, 0);
  luaL_getmetatable(L, "sora.request");
  lua_getfield(L, -1, "__index");
  lua_pushvalue(L, 2);
  luaL_setfuncs(L, of_request, 1);
  sora_client_open(L);
  lua_setfield(L, 1, "class"); /* the metatable of clients: hosts/module.lua adds to its methods */
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, 1, "null");
  luaL_getmetatable(L, TASK_METATABLE);
  lua_setfield(L, 1, "task"); /* the metatable of tasks: hosts/module.lua adds __tostring */
  set_versions(L);
  sora_mac_open(L);
  lua_settop(L, 3);
  luaL_setfuncs(L, functions, 2);
  lua_pushvalue(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, SORA_CORE);
  return 1;
}
