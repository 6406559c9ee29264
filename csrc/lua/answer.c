#include "lua/answer.h"

#include <string.h>

#include "compat.h"
#include "json/decode.h"
#include "lua/error.h"
#include "lua/options.h"
#include "lua/request.h"
#include "lua/task.h"
#include "transfer/process.h"
#include "transfer/siphash.h"

/* What is told instead of a task. */
struct verdict {
  enum error_kind kind;
  const char *message; /* points to what stays: into the request, or a string on the stack */
  int retryable;
  int code;      /* stack index of the service's code, a string or a number; 0: none */
  int not_found; /* the service says that it has no such task */
  int page;      /* the answer is a page of HTML */
  int body;      /* the answer's beginning is told, too */
};

/* What a request has brought, and what is needed to read it. */
struct reply {
  struct request_result result;
  int client, decoder; /* stack indices, that of the decoder's state perhaps of an upvalue */
  struct json_options options;
  int too_large; /* the answer would make more than is allowed */
};

static struct verdict outcome_of(const struct request_result *result) {
  return (struct verdict){
      .kind = result->kind, .message = result->message, .retryable = result->retryable};
}

/* The first byte of the answer that is no blank, after a byte order mark; '\0': there is none. JSON
   comes with any Content-Type, and so do pages of HTML. */
static char first_byte(const struct request_result *result) {
  const char *text = result->body;
  if (text == NULL)
    return '\0';
  if (strncmp(text, "\xEF\xBB\xBF", 3) == 0)
    text += 3;
  return text[strspn(text, " \t\r\n")];
}

/* ---- errors ---- */

static void set_flag(lua_State *L, const char *name, int value) {
  if (!value)
    return;
  lua_pushboolean(L, 1);
  lua_setfield(L, -2, name);
}

/* Pushes nil and the error. */
static int push_failure(lua_State *L, const struct request_result *result, struct verdict verdict) {
  luaL_checkstack(L, 6, "error");
  lua_pushnil(L);
  struct failure failure = {.kind = verdict.kind,
                            .message = verdict.message,
                            .status = result->status,
                            .request_id = result->request_id,
                            .retryable = verdict.retryable,
                            .retry_after = result->retry_after,
                            .attempts = result->attempts,
                            .tells_sent = result->call,
                            .sent = result->sent,
                            .secrets = result->secrets};
  if (result->id_length > 0) {
    failure.id = result->id;
    failure.id_length = result->id_length;
  }
  if (verdict.body) {
    failure.body = result->body;
    failure.body_length = result->body_length;
  }
  sora_error_push(L, &failure);
  set_flag(L, "not_found", verdict.not_found);
  set_flag(L, "page", verdict.page);
  if (verdict.code != 0) {
    if (lua_type(L, verdict.code) == LUA_TSTRING)
      sora_push_redacted(L, lua_tostring(L, verdict.code), lua_rawlen(L, verdict.code),
                         &failure.secrets, 100);
    else
      lua_pushvalue(L, verdict.code);
    lua_setfield(L, -2, "code");
  }
  return 2;
}

static int push_http_error(lua_State *L, const struct request_result *result, const char *what,
                           int page) {
  struct verdict verdict = outcome_of(result);
  verdict.kind = ERROR_http;
  verdict.message = lua_pushfstring(L, "HTTP %d%s", (int)result->status, what);
  verdict.page = page;
  verdict.body = 1;
  /* a page with a good status comes from a wrong URL */
  verdict.retryable = result->retryable && !(page && result->status < 300);
  return push_failure(L, result, verdict);
}

static int push_undecodable(lua_State *L, const struct reply *reply, const char *message) {
  return push_failure(L, &reply->result,
                      (struct verdict){.kind = reply->too_large ? ERROR_too_large : ERROR_decode,
                                       .message = message,
                                       .retryable = !reply->too_large,
                                       .body = 1});
}

/* ---- decoding ---- */

/* Pushes what stands for null: the value that the request at `self` has of its own, or its
 * client's; nil, and nothing else, without one. */
static void push_null(lua_State *L, const struct request *request, int self, int client) {
  int has_own = sora_request_tag(request) != UNREGISTERED && !sora_request_is_renewable(request);
  lua_pushnil(L);
  for (int i = has_own ? 0 : 1; i < 2 && lua_isnil(L, -1); i++) {
    lua_getuservalue(L, i == 0 ? self : client);
    lua_getfield(L, -1, "null");
    lua_replace(L, -3);
    lua_pop(L, 1);
  }
}

/* Services are read as browsers read them, and may not make too much of little. */
static struct json_options decoder_options(lua_State *L, const struct request *request, int self,
                                           int client, const struct request_result *result) {
  struct json_options options = {.null_index = 0,
                                 .max_depth = (int)result->max_depth,
                                 .repair = 1,
                                 .most = json_most((size_t)result->max_body)};
  push_null(L, request, self, client);
  if (!lua_isnil(L, -1))
    options.null_index = lua_gettop(L);
  return options;
}

static const char *push_place(lua_State *L, const struct json_error *error) {
  return lua_pushfstring(L, "%s (line %d, column %d, byte %d)", error->message, (int)error->line,
                         (int)error->column, (int)error->offset);
}

/* Pushes the answer. Returns NULL, or what is wrong with it. */
static const char *decode(lua_State *L, struct reply *reply) {
  struct json_error error = {0};
  const struct request_result *result = &reply->result;
  if (result->body == NULL)
    return "the answer is empty";
  if (sora_json_decode(L, reply->decoder, result->body, result->body_length, &reply->options,
                       &error))
    return NULL;
  reply->too_large = error.too_large;
  return push_place(L, &error);
}

/* ---- answers ---- */

/* Asks Lua what the answer on top of the stack is, by the function of that name in
   lua/sora/answers/reading.lua. Replaces it by five values: the task, or nil, and what is said.
   Returns the index of the first. */
static int read_answer(lua_State *L, const struct reply *reply, const char *function) {
  const struct request_result *result = &reply->result;
  int answer = lua_gettop(L), null = reply->options.null_index;
  luaL_getmetatable(L, TASK_METATABLE);
  lua_getfield(L, -1, function);
  lua_insert(L, answer);
  lua_settop(L, answer + 1);
  lua_pushinteger(L, (lua_Integer)result->status);
  if (null != 0)
    lua_pushvalue(L, null);
  else
    lua_pushnil(L);
  if (result->id_length > 0)
    lua_pushlstring(L, result->id, result->id_length);
  else
    lua_pushnil(L);
  lua_call(L, 4, 5);
  return answer;
}

/* The service's own error, from what read_answer has left at `first` and above it. */
static struct verdict complaint_at(lua_State *L, int first, int retryable) {
  return (struct verdict){.kind = ERROR_api,
                          .message = lua_tostring(L, first + 1),
                          .code = lua_isnil(L, first + 2) ? 0 : first + 2,
                          .retryable = retryable,
                          .not_found = !retryable && lua_toboolean(L, first + 4),
                          .body = 1};
}

/* Makes a task of the table on top of the stack; returns the number of values that are pushed. */
static int push_task(lua_State *L, const struct reply *reply, int said) {
  sora_task_make(L, reply->client, &reply->result, said);
  return 1;
}

static int push_success(lua_State *L, struct reply *reply) {
  const struct request_result *result = &reply->result;
  if (first_byte(result) == '<')
    return push_http_error(
        L, result,
        " with an HTML page instead of JSON: base_url seems to lead to a web page, "
        "not to the service",
        1);
  const char *wrong = decode(L, reply);
  if (wrong != NULL)
    return push_undecodable(L, reply, wrong);
  if (!lua_istable(L, -1))
    return push_undecodable(L, reply, "the answer is not a JSON object");
  if (sora_task_is_plain(L, lua_gettop(L), reply->options.null_index))
    return push_task(L, reply, 0);
  int first = read_answer(L, reply, "read");
  if (lua_istable(L, first)) {
    lua_pushvalue(L, first);
    return push_task(L, reply, first + 1);
  }
  if (lua_isnil(L, first + 1))
    return push_undecodable(L, reply, "the answer is not a JSON object");
  return push_failure(L, result, complaint_at(L, first, !lua_toboolean(L, first + 3)));
}

/* The answer to a call: the decoded value, an empty table where there is none, and the metatable of
   the task that it may be. */
static int push_called(lua_State *L, struct reply *reply) {
  const struct request_result *result = &reply->result;
  if (first_byte(result) == '<')
    return push_http_error(L, result, " with an HTML page instead of JSON", 1);
  const char *wrong = NULL;
  if (result->body == NULL)
    lua_newtable(L);
  else
    wrong = decode(L, reply);
  if (wrong != NULL)
    return push_undecodable(L, reply, wrong);
  if (lua_istable(L, -1)) {
    lua_pushvalue(L, -1);
    int first = read_answer(L, reply, "read_call");
    if (!lua_isnil(L, first + 1))
      return push_failure(L, result, complaint_at(L, first, !lua_toboolean(L, first + 3)));
    lua_settop(L, first - 1);
  }
  sora_task_push_metatable(L, reply->client, &reply->result);
  return 2;
}

/* An answer whose status of HTTP says that something is wrong. */
static int push_refusal(lua_State *L, struct reply *reply) {
  const struct request_result *result = &reply->result;
  if (result->status >= 300 && result->status < 400)
    return push_http_error(L, result,
                           ": a redirect, not followed because it would carry the key to another "
                           "address: check base_url",
                           0);
  if (first_byte(result) == '<')
    return push_http_error(L, result, " with an HTML page", 1);
  if (result->body == NULL)
    return push_http_error(L, result, " with an empty body", 0);
  if (decode(L, reply) == NULL && lua_istable(L, -1)) {
    int first = read_answer(L, reply, "read");
    if (!lua_isnil(L, first + 1))
      return push_failure(L, result, complaint_at(L, first, result->retryable));
  }
  return push_http_error(L, result, "", 0);
}

/* ---- downloads ---- */

static const char *what_instead(enum content content) {
  switch (content) {
  case CONTENT_HTML:
    return " with an HTML page instead of a video";
  case CONTENT_PLAYLIST:
    return " with a playlist (M3U8), which is a list of pieces, instead of a video";
  case CONTENT_TEXT:
    return " with a text instead of a video";
  case CONTENT_VIDEO:
    break;
  }
  return "";
}

/* The first line of the body that has something in it, in the body's place: it is quoted. */
static void quote_line(struct request_result *result) {
  if (result->body == NULL)
    return;
  result->body += strncmp(result->body, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
  result->body += strspn(result->body, " \t\r\n");
  result->body_length = strcspn(result->body, "\r\n");
}

/* A table: `redirect`, where it leads; `again`, when the server is to be asked once more,
   otherwise; neither: the part knows what has come. */
static int push_download(lua_State *L, struct request_result *result) {
  if (result->refused && result->redirect == NULL) {
    quote_line(result);
    result->retryable &= result->content == CONTENT_VIDEO; /* what a status says may pass */
    return push_http_error(L, result, what_instead(result->content),
                           result->content == CONTENT_HTML);
  }
  lua_createtable(L, 0, 1);
  if (result->redirect != NULL) {
    lua_pushstring(L, result->redirect);
    lua_setfield(L, -2, "redirect");
  } else if (result->again) {
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "again");
  }
  return 1;
}

/* ---- entries ---- */

static int push_outcome(lua_State *L, const struct request *request, int self, int client,
                        int decoder) {
  struct reply reply = {.client = client, .decoder = decoder};
  const struct request_result *result = &reply.result;
  sora_request_result(request, &reply.result);
  if (result->kind != ERROR_NONE)
    return push_failure(L, result, outcome_of(result));
  if (result->download)
    return push_download(L, &reply.result);
  reply.options = decoder_options(L, request, self, client, result);
  if (result->status < 200 || result->status >= 300)
    return push_refusal(L, &reply);
  return result->call ? push_called(L, &reply) : push_success(L, &reply);
}

/* Taken first, the request is in nobody's hands but ours: a finaliser that closes the client while
   this allocates does not touch what is read here. */
int sora_answer_push(lua_State *L, struct request *request, int self, int client, int decoder) {
  luaL_checkstack(L, 20, "answer");
  sora_request_take(request);
  int pushed = push_outcome(L, request, self, client, decoder);
  sora_request_forget(request);
  return pushed;
}

int sora_answer_mark(const struct request *request, const struct answer_mark *known,
                     struct answer_mark *mark) {
  struct request_result result;
  sora_request_result(request, &result);
  if (result.kind != ERROR_NONE || result.download || result.call || result.body == NULL ||
      result.status < 200 || result.status >= 300)
    return 0;
  memcpy(mark->key, known != NULL ? known->key : sora_process_key(), sizeof mark->key);
  sora_siphash(mark->key, result.body, result.body_length, mark->hash);
  mark->length = (uint32_t)result.body_length;
  mark->status = (uint32_t)result.status;
  return 1;
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
  struct failure failure = {
      .kind = ERROR_decode, .message = push_place(L, &error), .retry_after = -1};
  lua_pushnil(L);
  sora_error_push(L, &failure);
  return 2;
}
