#include "lua/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compat.h"
#include "lua/error.h"
#include "json/decode.h"
#include "lua/options.h"
#include "lua/request.h"

#define METATABLE "sora.task"

/* What the service says of an error of its own, in whatever form. */
struct complaint {
  const char *message; /* "" where it says nothing; points into a Lua string that is on the stack */
  int code;            /* stack index of its code, a string or a number; 0: none */
};

/* ---- reading decoded tables ----
   `index` is always that of a table, `null` that of the value that its nulls became, or 0. */

/* Pushes the field, nil for a null; returns its type. */
static int get(lua_State *L, int index, int null, const char *name) {
  lua_pushstring(L, name);
  lua_rawget(L, index);
  if (null != 0 && lua_rawequal(L, -1, null)) {
    lua_pop(L, 1);
    lua_pushnil(L);
  }
  return lua_type(L, -1);
}

static int is_filled_string(lua_State *L, int index) {
  return lua_type(L, index) == LUA_TSTRING && lua_rawlen(L, index) > 0;
}

/* Pushes the first field of `names` that is a string with something in it, and returns it; NULL
 * pushes nothing. */
static const char *get_text(lua_State *L, int index, int null, const char *const *names) {
  for (; *names != NULL; names++) {
    get(L, index, null, *names);
    if (is_filled_string(L, -1))
      return lua_tostring(L, -1);
    lua_pop(L, 1);
  }
  return NULL;
}

/* Pushes the code of the error table at `index` and returns its stack index; 0, nothing pushed,
 * without one. */
static int get_code(lua_State *L, int index, int null) {
  get(L, index, null, "code");
  if (is_filled_string(L, -1) || lua_type(L, -1) == LUA_TNUMBER)
    return lua_gettop(L);
  lua_pop(L, 1);
  return 0;
}

/* Words that say "no error" in a `code`. */
static int code_is_success(lua_State *L, int code) {
  if (lua_type(L, code) == LUA_TNUMBER)
    return lua_tonumber(L, code) == 0 || lua_tonumber(L, code) == 200;
  const char *text = lua_tostring(L, code);
  return strcmp(text, "success") == 0 || strcmp(text, "ok") == 0 || strcmp(text, "0") == 0 ||
         strcmp(text, "200") == 0;
}

/* Whether the answer in the table at `index` complains, other than by a status of HTTP; where it
   does not, its message may still be one. Leaves on the stack what `complaint` points to. */
static int find_complaint(lua_State *L, int index, int null, struct complaint *complaint) {
  static const char *const texts[] = {"message", "msg", "error_message", NULL};
  static const char *const inner[] = {"message", "msg", "type", NULL};
  static const char *const details[] = {"detail", NULL};
  complaint->code = 0;
  complaint->message = "";
  luaL_checkstack(L, 6, "answer");
  if (get(L, index, null, "error") == LUA_TTABLE) {
    int error = lua_gettop(L);
    complaint->code = get_code(L, error, null);
    const char *text = get_text(L, error, null, inner);
    complaint->message = text ? text : "";
    if (text != NULL || complaint->code != 0)
      return 1;
  } else if (is_filled_string(L, -1)) {
    complaint->message = lua_tostring(L, -1);
    complaint->code = get_code(L, index, null);
    return 1;
  }
  int code = get_code(L, index, null);
  const char *text = get_text(L, index, null, texts);
  int unhappy = get(L, index, null, "success") == LUA_TBOOLEAN && !lua_toboolean(L, -1);
  if (code != 0 && !code_is_success(L, code)) {
    complaint->code = code;
    unhappy = 1;
  }
  if (!unhappy && text == NULL && (text = get_text(L, index, null, details)) != NULL)
    unhappy = 1;
  complaint->message = text ? text : "";
  return unhappy;
}

/* Whether a code inside an answer with HTTP 200 means that to ask again is for nothing. */
static int code_is_final(lua_State *L, int code) {
  static const char *const words[] = {"not_exist", "not_found",    "invalid", "unauthorized",
                                      "forbidden", "insufficient", NULL};
  if (code == 0)
    return 0;
  if (lua_isnumber(L, code)) {
    lua_Number number = lua_tonumber(L, code);
    return number == 400 || number == 401 || number == 403 || number == 404;
  }
  const char *text = lua_tostring(L, code);
  for (int i = 0; words[i] != NULL; i++)
    if (strstr(text, words[i]) != NULL)
      return 1;
  return 0;
}

/* ---- errors ---- */

static struct failure failure_of(const struct request_result *result) {
  struct failure failure = {.kind = result->kind,
                            .message = result->message,
                            .status = result->status,
                            .request_id = result->request_id,
                            .retryable = result->retryable,
                            .retry_after = result->retry_after,
                            .attempts = result->attempts,
                            .tells_sent = result->call,
                            .sent = result->sent,
                            .secret = sora_headers_key(result->headers)};
  if (result->id_length > 0) {
    failure.id = result->id;
    failure.id_length = result->id_length;
  }
  return failure;
}

/* Pushes nil and the error. A `code` (a stack index, 0: none) becomes its field of that name. */
static int push_failure(lua_State *L, const struct failure *failure, int code) {
  luaL_checkstack(L, 6, "error");
  lua_pushnil(L);
  sora_error_push(L, failure);
  if (code != 0) {
    if (lua_type(L, code) == LUA_TSTRING)
      sora_push_redacted(L, lua_tostring(L, code), lua_rawlen(L, code), failure->secret, 100);
    else
      lua_pushvalue(L, code);
    lua_setfield(L, -2, "code");
  }
  return 2;
}

static int push_api_error(lua_State *L, struct failure *failure,
                          const struct complaint *complaint) {
  failure->kind = ERROR_api;
  failure->message = complaint->message;
  if (*complaint->message == '\0') {
    failure->message = "the service reports an error without a reason";
    if (complaint->code != 0) {
      lua_pushvalue(L, complaint->code); /* a copy, since lua_tostring changes a number */
      failure->message = lua_pushfstring(L, "the service reports code %s", lua_tostring(L, -1));
    }
  }
  return push_failure(L, failure, complaint->code);
}

static int push_http_error(lua_State *L, struct failure *failure, const char *what) {
  char message[256];
  snprintf(message, sizeof message, "HTTP %ld%s", failure->status, what);
  failure->kind = ERROR_http;
  failure->message = message;
  return push_failure(L, failure, 0); // NOLINT(*StackAddressEscape): nobody reads it any more
}

static int looks_like_html(const struct request_result *result) {
  const char *text = result->body;
  size_t blank = text == NULL ? 0 : strspn(text, " \t\r\n");
  return result->html || (text != NULL && text[blank] == '<');
}

/* ---- decoding ---- */

/* Pushes what stands for null: the value that the request at `self` has of its own, or its
 * client's; nil, and nothing else, without one. */
static void push_null(lua_State *L, const struct request *request, int self, int client) {
  lua_pushnil(L);
  for (int i = sora_request_tag(request) == UNREGISTERED ? 1 : 0; i < 2 && lua_isnil(L, -1); i++) {
    lua_getuservalue(L, i == 0 ? self : client);
    lua_getfield(L, -1, "null");
    lua_replace(L, -3);
    lua_pop(L, 1);
  }
}

static struct json_options decoder_options(lua_State *L, const struct request *request, int self,
                                           int client, long max_depth) {
  struct json_options options = {.null_index = 0, .max_depth = (int)max_depth};
  push_null(L, request, self, client);
  if (!lua_isnil(L, -1))
    options.null_index = lua_gettop(L);
  return options;
}

/* Whether the table at `index` has a status: "" is as good as none. */
static int has_status(lua_State *L, int index, int null) {
  int type = get(L, index, null, "status");
  int found = type == LUA_TSTRING ? lua_rawlen(L, -1) > 0 : type != LUA_TNIL;
  lua_pop(L, 1);
  return found;
}

/* Replaces the envelope on top of the stack by the task in it, where it is one: no `status`, but a
   string at data.status. */
static void open_envelope(lua_State *L, int null) {
  int top = lua_gettop(L);
  if (!has_status(L, top, null) && get(L, top, null, "data") == LUA_TTABLE) {
    int data = lua_gettop(L);
    if (get(L, data, null, "status") == LUA_TSTRING) {
      lua_pushvalue(L, data);
      lua_replace(L, top);
    }
  }
  lua_settop(L, top);
}

/* {"code":"success","data":null}: an envelope that has nothing in it */
static int is_empty_envelope(lua_State *L, int index, int null) {
  int empty = 0, code = get_code(L, index, null);
  if (code != 0 && code_is_success(L, code)) {
    get(L, index, null, "id");
    get(L, index, null, "data");
    empty = lua_isnil(L, -2) && !lua_istable(L, -1);
    lua_pop(L, 2);
  }
  if (code != 0)
    lua_pop(L, 1);
  return empty;
}

/* Pushes the task that the decoded answer on top of the stack is, or what it says instead. */
static int push_task(lua_State *L, struct failure *failure, int null) {
  struct complaint complaint;
  open_envelope(L, null);
  int top = lua_gettop(L);
  if (!has_status(L, top, null)) {
    if (find_complaint(L, top, null, &complaint)) {
      failure->retryable = !code_is_final(L, complaint.code);
      return push_api_error(L, failure, &complaint);
    }
    lua_settop(L, top);
    if (is_empty_envelope(L, top, null)) {
      failure->kind = ERROR_api;
      failure->message = "the answer holds no task";
      failure->retryable = 1;
      return push_failure(L, failure, 0);
    }
  }
  luaL_setmetatable(L, METATABLE);
  return 1;
}

static int push_undecodable(lua_State *L, struct failure *failure,
                            const struct request_result *result, const struct json_error *error) {
  char message[sizeof error->message + 96];
  failure->kind = ERROR_decode;
  failure->retryable = 1;
  failure->message = message;
  if (result->body_length == 0)
    failure->message = "the answer is empty";
  else
    snprintf(message, sizeof message, "%s (line %zu, column %zu, byte %zu)", error->message,
             error->line, error->column, error->offset);
  return push_failure(L, failure, 0); // NOLINT(*StackAddressEscape): nobody reads it any more
}

static int push_success(lua_State *L, const struct request_result *result, struct failure *failure,
                        const struct json_options *options, int decoder) {
  struct json_error error = {0};
  if (looks_like_html(result)) {
    failure->retryable = 0;
    return push_http_error(
        L, failure,
        " with an HTML page instead of JSON: base_url seems to lead to a web page, "
        "not to the service");
  }
  const char *body = result->body ? result->body : "";
  if (!sora_json_decode(L, decoder, body, result->body_length, options, &error))
    return push_undecodable(L, failure, result, &error);
  if (body[strspn(body, " \t\r\n")] == '{')
    return push_task(L, failure, options->null_index);
  failure->kind = ERROR_decode;
  failure->message = "the answer is not a JSON object";
  failure->retryable = 1;
  return push_failure(L, failure, 0);
}

/* The answer to a call: the decoded value, an empty table where there is none, and the metatable
   for the task that it may be. */
static int push_called(lua_State *L, const struct request_result *result, struct failure *failure,
                       const struct json_options *options, int decoder) {
  struct json_error error = {0};
  struct complaint complaint;
  if (result->body_length == 0)
    lua_newtable(L);
  else if (looks_like_html(result))
    return push_http_error(L, failure, " with an HTML page instead of JSON");
  else if (!sora_json_decode(L, decoder, result->body, result->body_length, options, &error))
    return push_undecodable(L, failure, result, &error);
  int top = lua_gettop(L);
  if (lua_istable(L, top) && !has_status(L, top, options->null_index) &&
      find_complaint(L, top, options->null_index, &complaint))
    return push_api_error(L, failure, &complaint);
  lua_settop(L, top);
  luaL_getmetatable(L, METATABLE);
  return 2;
}

/* An answer whose status of HTTP says that something is wrong. */
static int push_refusal(lua_State *L, const struct request_result *result, struct failure *failure,
                        const struct json_options *options, int decoder) {
  struct json_error error;
  struct complaint complaint;
  if (result->status >= 300 && result->status < 400)
    return push_http_error(L, failure,
                           ": a redirect, not followed because it would carry the key to another "
                           "address: check base_url");
  if (looks_like_html(result))
    return push_http_error(L, failure, " with an HTML page");
  if (result->body != NULL &&
      sora_json_decode(L, decoder, result->body, result->body_length, options, &error) &&
      lua_istable(L, -1) &&
      (find_complaint(L, lua_gettop(L), options->null_index, &complaint) ||
       *complaint.message != '\0'))
    return push_api_error(L, failure, &complaint);
  return push_http_error(L, failure, result->body_length == 0 ? " with an empty body" : "");
}

/* ---- downloads ---- */

static int push_download(lua_State *L, const struct request *request,
                         const struct request_result *result, struct failure *failure) {
  struct fetch_progress progress;
  long status = result->status;
  if (status != 200 && status != 206)
    return push_http_error(L, failure, status == 416 ? ": the part on disk does not fit" : "");
  if (!result->is_video) {
    failure->retryable = 0;
    return push_http_error(L, failure,
                           result->html ? " with an HTML page instead of a video"
                                        : " with a text instead of a video");
  }
  sora_request_progress(request, &progress);
  lua_createtable(L, 0, 5);
  lua_pushinteger(L, (lua_Integer)status);
  lua_setfield(L, -2, "status");
  lua_pushnumber(L, (lua_Number)progress.offset);
  lua_setfield(L, -2, "offset");
  lua_pushnumber(L, (lua_Number)progress.received);
  lua_setfield(L, -2, "received");
  lua_pushstring(L, progress.etag);
  lua_setfield(L, -2, "etag");
  lua_pushstring(L, progress.last_modified);
  lua_setfield(L, -2, "last_modified");
  return 1;
}

/* ---- entries ---- */

static int push_outcome(lua_State *L, const struct request *request, int self, int client,
                        int decoder) {
  struct request_result result;
  sora_request_result(request, &result);
  struct failure failure = failure_of(&result);
  if (result.kind != ERROR_NONE)
    return push_failure(L, &failure, 0);
  if (result.download)
    return push_download(L, request, &result, &failure);
  failure.body = result.body;
  failure.body_length = result.body_length;
  struct json_options options = decoder_options(L, request, self, client, result.max_depth);
  if (result.call && result.status >= 200 && result.status < 300)
    return push_called(L, &result, &failure, &options, decoder);
  return result.status >= 200 && result.status < 300
             ? push_success(L, &result, &failure, &options, decoder)
             : push_refusal(L, &result, &failure, &options, decoder);
}

/* Taken first, the request is in nobody's hands but ours: a finaliser that closes the client while
   this allocates does not touch what is read here. */
int sora_answer_push(lua_State *L, struct request *request, int self, int client, int decoder) {
  luaL_checkstack(L, 10, "answer");
  sora_request_take(request);
  int pushed = push_outcome(L, request, self, client, decoder);
  sora_request_forget(request);
  return pushed;
}

int sora_answer_decode(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  struct settings settings;
  sora_settings_init(&settings);
  sora_settings_read(L, 2, SCOPE_DECODE, 1, &settings);
  struct json_options options = {.null_index = settings.null, .max_depth = (int)settings.max_depth};
  struct json_error error;
  if (sora_json_decode(L, lua_upvalueindex(1), text, length, &options, &error))
    return 1;
  char message[sizeof error.message + 96];
  snprintf(message, sizeof message, "%s (line %zu, column %zu, byte %zu)", error.message,
           error.line, error.column, error.offset);
  struct failure failure = {.kind = ERROR_decode, .message = message, .retry_after = -1};
  return push_failure(L, &failure, 0);
}

void sora_answer_open(lua_State *L) {
  luaL_newmetatable(L, METATABLE);
  lua_pushliteral(L, METATABLE);
  lua_setfield(L, -2, "__name");
  lua_pop(L, 1);
}
