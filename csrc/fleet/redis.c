/*
 * luaopen_sora_redis: the links of lua/sora/fleet/, which is the only one to use this module.
 *
 * A link is a userdata, and so is each command on it; both stay valid, closed or ended, as long as
 * somebody has them. A command belongs to an owner, a table of the caller's, and is its field
 * `command`. In the uservalue of a link are the owners of all commands that have not ended, by the
 * commands' tags, so that none of them is collected before.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "compat.h"
#include "fleet/link.h"
#include "fleet/owned.h"
#include "fleet/reply.h"
#include "lua/metatable.h"

#define MODULE "sora.redis"
#define LINK "sora.redis.link"
#define COMMAND "sora.redis.command"
#define GREETING "sora.redis.greeting"

static const char *const kind_names[] = {NULL,
#define X(name) #name,
                                         SORA_ERROR_KINDS(X)
#undef X
};

/* ---- commands ---- */

/* command:result() → the reply; or nil, the kind of error ("api": Redis' own), a message and
   whether some of it may have reached Redis */
static int result(lua_State *L) {
  struct command *const *box = luaL_checkudata(L, 1, COMMAND);
  const struct command *command = *box;
  if (command == NULL || !command->ended)
    return luaL_argerror(L, 1, "the command has not ended");
  if (command->reply == NULL || command->reply->type == REDIS_REPLY_ERROR) {
    lua_pushnil(L);
    lua_pushstring(L, command->reply != NULL ? "api" : kind_names[command->kind]);
    if (command->reply != NULL)
      lua_pushlstring(L, command->reply->str, (size_t)command->reply->len);
    else
      lua_pushstring(L, command->message);
    lua_pushboolean(L, command->sent);
    return 4;
  }
  sora_reply_push(L, command->reply);
  return 1;
}

static int collect_command(lua_State *L) {
  struct command **box = luaL_checkudata(L, 1, COMMAND);
  struct command *command = *box;
  *box = NULL;
  sora_command_free(command);
  return 0;
}

/* ---- links ---- */

static struct link *check_link(lua_State *L, int index) {
  struct link **box = luaL_checkudata(L, index, LINK);
  luaL_argcheck(L, *box != NULL, index, "the link is gone");
  sora_link_enter(*box);
  return *box;
}

static const char *text_field(lua_State *L, const char *name) {
  lua_getfield(L, 1, name); /* left on the stack, which keeps the string alive */
  return lua_isnil(L, -1) ? NULL : luaL_checkstring(L, -1);
}

static lua_Number number_field(lua_State *L, const char *name) {
  lua_getfield(L, 1, name);
  return luaL_checknumber(L, -1);
}

/* redis.link{ host =, port = | path =, connect_timeout =, command_timeout = (seconds),
   tls =, subscriber = } → a link, which connects when it has something to send */
static int new_link(lua_State *L) {
  struct link_settings settings = {0};
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  settings.address.host = (char *)text_field(L, "host");
  settings.address.path = (char *)text_field(L, "path");
  settings.address.port = settings.address.host != NULL ? (int)number_field(L, "port") : 0;
  luaL_argcheck(L, settings.address.host != NULL || settings.address.path != NULL, 1,
                "host or path expected");
  settings.connect_timeout = number_field(L, "connect_timeout");
  settings.command_timeout = number_field(L, "command_timeout");
  lua_getfield(L, 1, "tls");
  settings.tls = lua_toboolean(L, -1) && settings.address.host != NULL;
  luaL_argcheck(L, !settings.tls || sora_tls_is_there(), 1, "there is no TLS");
  lua_getfield(L, 1, "subscriber");
  settings.subscriber = lua_toboolean(L, -1);
  /* NOLINTNEXTLINE(bugprone-sizeof-expression): it is a pointer that the userdata holds */
  struct link **box = lua_newuserdata(L, sizeof *box);
  *box = NULL;
  luaL_setmetatable(L, LINK);
  int self = lua_gettop(L);
  lua_newtable(L);
  lua_setuservalue(L, self);
  *box = sora_link_new(&settings);
  if (*box == NULL)
    luaL_error(L, "not enough memory");
  return 1;
}

/* The next tag: one comes again after two billion others, when its command has long ended. */
static int next_tag(lua_State *L, int commands) {
  lua_getfield(L, commands, "tag");
  int tag = (int)lua_tointeger(L, -1) % INT_MAX + 1;
  lua_pop(L, 1);
  lua_pushinteger(L, tag);
  lua_setfield(L, commands, "tag");
  return tag;
}

/* link:send(words, owner): has the command, a list of strings, sent with the next step. `owner` is
   a table, whose field `command` is the command from now on. */
static int send_command(lua_State *L) {
  check_link(L, 1);
  luaL_checktype(L, 3, LUA_TTABLE);
  lua_settop(L, 3);
  size_t length = sora_words_push(L, 2);
  /* NOLINTNEXTLINE(bugprone-sizeof-expression): it is a pointer that the userdata holds */
  struct command **box = lua_newuserdata(L, sizeof *box);
  *box = NULL;
  luaL_setmetatable(L, COMMAND);
  *box = sora_command_new();
  if (*box == NULL)
    luaL_error(L, "not enough memory");
  lua_pushvalue(L, 5);
  lua_setfield(L, 3, "command");
  lua_getuservalue(L, 1);
  int tag = next_tag(L, 6);
  lua_pushvalue(L, 3);
  lua_rawseti(L, 6, tag);
  struct words *words = lua_touserdata(L, 4);
  struct link *link = check_link(L, 1);
  (*box)->tag = tag;
  sora_link_send(link, *box, words->command, length);
  words->command = NULL;
  return 0;
}

/* link:next() → the owner of the next command that has ended, told once; nil: none */
static int next(lua_State *L) {
  struct link *link = check_link(L, 1);
  lua_settop(L, 1);
  lua_getuservalue(L, 1);
  struct command *command = sora_link_next(link);
  if (command == NULL)
    return 0;
  int tag = command->tag;
  lua_rawgeti(L, 2, tag);
  lua_pushnil(L);
  lua_rawseti(L, 2, tag);
  return 1;
}

/* link:message() → the next message that came: {"message", channel, text}; nil: none */
static int next_message(lua_State *L) {
  redisReply **box = sora_box_push(L);
  *box = sora_link_next_message(check_link(L, 1));
  if (*box == NULL)
    return 0;
  sora_reply_push(L, *box);
  return 1;
}

static int collect_greeting(lua_State *L) {
  struct greeting *greeting = lua_touserdata(L, 1);
  free(greeting->text);
  *greeting = (struct greeting){0};
  return 0;
}

/* Adds the command, a list of strings on top of the stack, which is popped. */
static void add_to_greeting(lua_State *L, struct greeting *greeting) {
  size_t length = sora_words_push(L, lua_gettop(L));
  struct words *words = lua_touserdata(L, -1);
  char *text = realloc(greeting->text, greeting->length + length);
  if (text == NULL)
    luaL_error(L, "not enough memory");
  memcpy(text + greeting->length, words->command, length);
  greeting->text = text;
  greeting->length += length;
  greeting->count++;
  lua_pop(L, 2);
}

/* link:greet(commands): what each connection begins with, lists of strings */
static int set_greeting(lua_State *L) {
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  struct greeting *greeting = lua_newuserdata(L, sizeof *greeting);
  *greeting = (struct greeting){0};
  luaL_setmetatable(L, GREETING);
  size_t count = lua_rawlen(L, 2);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, 2, (int)i + 1);
    add_to_greeting(L, greeting);
  }
  sora_link_set_greeting(check_link(L, 1), greeting);
  return 0;
}

/* link:greeted() → the replies to these commands, once, when all have come and wait for
   link:accept or link:lose; else nil */
static int greeted(lua_State *L) {
  if (check_link(L, 1)->state != LINK_GREETED)
    return 0;
  lua_newtable(L);
  int list = lua_gettop(L);
  for (int i = 1;; i++) {
    redisReply **box = sora_box_push(L);
    *box = sora_link_next_reply(check_link(L, 1));
    if (*box == NULL)
      break;
    sora_reply_push(L, *box);
    lua_rawseti(L, list, i);
    lua_pop(L, 1);
  }
  lua_settop(L, list);
  return 1;
}

/* link:accept(): the replies to the greeting are as they should be; commands pass */
static int accept_link(lua_State *L) {
  sora_link_accept(check_link(L, 1));
  return 0;
}

/* link:lose(kind, message): ends the connection with what waits for it */
static int lose(lua_State *L) {
  struct link *link = check_link(L, 1);
  const char *kind = luaL_checkstring(L, 2);
  for (size_t i = 1; i < sizeof kind_names / sizeof *kind_names; i++)
    if (strcmp(kind_names[i], kind) == 0) {
      sora_link_lose(link, (enum error_kind)i, luaL_checkstring(L, 3));
      return 0;
    }
  return luaL_argerror(L, 2, "kind of error expected");
}

/* link:move(host, port): goes there once the commands in flight have been answered */
static int move(lua_State *L) {
  struct link *link = check_link(L, 1);
  const char *host = luaL_checkstring(L, 2);
  int port = (int)luaL_checkinteger(L, 3);
  char *copy = strdup(host);
  if (copy == NULL)
    luaL_error(L, "not enough memory");
  sora_link_move(link, copy, port);
  return 0;
}

/* link:connected() → whether a connection is there, or is being made */
static int connected(lua_State *L) {
  enum link_state state = check_link(L, 1)->state;
  lua_pushboolean(L, state != LINK_IDLE && state != LINK_CLOSED);
  return 1;
}

/* link:keep(on): whether it stays connected though no command waits */
static int keep(lua_State *L) {
  sora_link_keep(check_link(L, 1), lua_toboolean(L, 2));
  return 0;
}

/* link:cancel(): ends all commands */
static int cancel(lua_State *L) {
  sora_link_cancel(check_link(L, 1), "cancelled by the caller");
  return 0;
}

static int close_link(lua_State *L) {
  sora_link_close(check_link(L, 1));
  return 0;
}

static int step(lua_State *L) {
  sora_link_step(check_link(L, 1));
  return 0;
}

/* link:pollfd() → the descriptor that is readable when there is something to do; nil: none now */
static int pollfd(lua_State *L) {
  int fd = sora_link_fd(check_link(L, 1));
  if (fd < 0)
    return 0;
  lua_pushinteger(L, fd);
  return 1;
}

/* link:timeout() → seconds until a step is due at the latest; nil: no time is set */
static int timeout(lua_State *L) {
  double due = sora_link_timeout(check_link(L, 1));
  if (due < 0)
    return 0;
  lua_pushnumber(L, due);
  return 1;
}

static int in_flight(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)sora_link_in_flight(check_link(L, 1)));
  return 1;
}

static int closed(lua_State *L) {
  lua_pushboolean(L, check_link(L, 1)->state == LINK_CLOSED);
  return 1;
}

/* link:connections() → how often it has connected */
static int connections(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check_link(L, 1)->connections);
  return 1;
}

static int collect_link(lua_State *L) {
  struct link **box = luaL_checkudata(L, 1, LINK);
  struct link *link = *box;
  *box = NULL;
  if (link != NULL)
    sora_link_enter(link);
  sora_link_free(link);
  return 0;
}

__attribute__((visibility("default"))) int luaopen_sora_redis(lua_State *L) {
  static const luaL_Reg functions[] = {{"link", new_link}, {NULL, NULL}};
  static const luaL_Reg of_links[] = {{"__gc", collect_link}, {NULL, NULL}};
  static const luaL_Reg of_commands[] = {{"__gc", collect_command}, {NULL, NULL}};
  static const luaL_Reg of_greetings[] = {{"__gc", collect_greeting}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"send", send_command},
                                     {"next", next},
                                     {"message", next_message},
                                     {"greet", set_greeting},
                                     {"greeted", greeted},
                                     {"accept", accept_link},
                                     {"lose", lose},
                                     {"move", move},
                                     {"connected", connected},
                                     {"keep", keep},
                                     {"cancel", cancel},
                                     {"close", close_link},
                                     {"step", step},
                                     {"pollfd", pollfd},
                                     {"timeout", timeout},
                                     {"in_flight", in_flight},
                                     {"closed", closed},
                                     {"connections", connections},
                                     {NULL, NULL}};
  static const luaL_Reg command_methods[] = {{"result", result}, {NULL, NULL}};
  luaL_checkversion(L);
  lua_getfield(L, LUA_REGISTRYINDEX, MODULE);
  if (lua_istable(L, -1)) /* `require` was made to forget it: what is in use stays as it is */
    return 1;
  lua_settop(L, 0);
  sora_owned_open(L);
  sora_metatable_new(L, GREETING, of_greetings, NULL);
  sora_metatable_new(L, COMMAND, of_commands, command_methods);
  sora_metatable_new(L, LINK, of_links, methods);
  lua_settop(L, 0);
  luaL_newlib(L, functions);
  lua_pushfstring(L, "%d.%d.%d", HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH);
  lua_setfield(L, -2, "hiredis"); /* whose headers it was built with */
  lua_pushboolean(L, sora_tls_is_there());
  lua_setfield(L, -2, "tls");
  lua_pushvalue(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, MODULE);
  return 1;
}
