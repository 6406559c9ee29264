#include "lua/request.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lua/client.h"
#include "lua/options.h"
#include "compat.h"

#define METATABLE "sora.request"

enum {
  MOST_REDIRECTS = 5,
  DOWNLOAD_BUFFER = 128 * 1024 /* libcurl's, for a download */
};

/* ---- starting ---- */

/* Makes a request with nothing acquired, closed but valid, and pushes it. */
static struct request *new_request(lua_State *L, const char *id, size_t length) {
  struct request *request = lua_newuserdata(L, sizeof *request + length + 1);
  memset(request, 0, sizeof *request);
  request->sink.fd = -1;
  request->total = -1;
  request->retry_after = -1;
  request->id_length = length;
  memcpy(request->id, id, length);
  request->id[length] = '\0';
  luaL_setmetatable(L, METATABLE);
  return request;
}

const char *sora_push_id_fault(lua_State *L, int index) {
  size_t length = 0;
  const char *id = lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, &length) : NULL;
  if (id == NULL)
    return lua_pushfstring(L, "task id (a string) expected, got %s", luaL_typename(L, index));
  const char *fault = length == 0 ? "is empty" : sora_text_fault(id, length);
  return fault == NULL ? NULL : lua_pushfstring(L, "task id %s", fault);
}

void sora_request_new(lua_State *L, int id, int level) {
  size_t length;
  const char *fault = sora_push_id_fault(L, id);
  if (fault != NULL)
    sora_misuse(L, level, "bad argument #1 to 'query' (%s)", fault);
  const char *text = lua_tolstring(L, id, &length);
  new_request(L, text, length);
}

void sora_request_new_download(lua_State *L, const char *id) {
  new_request(L, id == NULL ? "" : id, id == NULL ? 0 : strlen(id))->download = 1;
}

/* Keeps the value of the option `null`, which is on the stack at `settings->null`, in the request
 * at `self`. */
static void keep_null(lua_State *L, int self, struct request *request,
                      const struct settings *settings) {
  request->own_null = settings->null != 0;
  if (!request->own_null)
    return;
  if (request->serial != 0)
    lua_getuservalue(L, self);
  else
    lua_createtable(L, 0, 1);
  lua_pushvalue(L, settings->null);
  lua_setfield(L, -2, "null");
  lua_setuservalue(L, self);
}

/* Reads the options at `options`, over what the client has, into `settings` and the request. Leaves
   on the stack what sora_settings_read pushes. */
static void read_options(lua_State *L, const struct client *client, struct request *request,
                         int options, enum option_scope scope, int level,
                         struct settings *settings) {
  *settings = client->settings;
  settings->given = 0;
  settings->headers = settings->null = 0;
  sora_settings_read(L, options, scope, level, settings);
  request->deadline =
      settings->timeout > 0 && !isinf(settings->timeout) ? sora_now() + settings->timeout : 0;
  request->request_timeout = settings->request_timeout;
  request->connect_timeout = settings->connect_timeout;
  request->retries = settings->retries;
  request->max_depth = settings->max_depth;
  request->max_body = settings->max_body;
}

/* Which base URL the request goes to, checked, and with which headers: the client's, or its own. */
static const struct base_url *prepare(lua_State *L, struct client *client, int client_index,
                                      struct request *request, const struct settings *settings,
                                      int level) {
  const struct base_url *base = &client->base;
  if (settings->given & AFFECTS_URL) {
    const char *wrong = sora_url_parse_base(settings->base_url, &request->base);
    if (wrong != NULL)
      sora_misuse(L, level, "option 'base_url' %s", wrong);
    base = &request->base;
  }
  if (settings->given & AFFECTS_HEADERS) {
    int inherited = sora_client_push_headers(L, client_index);
    sora_settings_headers(L, settings, inherited, level, &request->headers);
  }
  if (settings->given != 0)
    sora_client_check_plain(L, level, base, settings,
                            request->headers ? request->headers : client->headers);
  return base;
}

static int is_plain(const char *url) {
  return strncasecmp(url, "http:", 5) == 0;
}

static struct handle *handle_for(struct client *client, struct request *request,
                                 const struct settings *own, int loopback, const char *url) {
  if (url == NULL || !sora_client_ready(client))
    return NULL;
  struct handle *handle = sora_handle_take(client, own, loopback);
  if (handle == NULL)
    return NULL;
  const struct curl_slist *headers = request->headers ? request->headers : client->headers;
  if (curl_easy_setopt(handle->easy, CURLOPT_URL, url) == CURLE_OK &&
      curl_easy_setopt(handle->easy, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
      curl_easy_setopt(handle->easy, CURLOPT_WRITEDATA, request) == CURLE_OK &&
      curl_easy_setopt(handle->easy, CURLOPT_HEADERDATA, request) == CURLE_OK &&
#if LIBCURL_VERSION_NUM >= 0x075000
      curl_easy_setopt(handle->easy, CURLOPT_PREREQDATA, request) == CURLE_OK &&
#endif
      /* rather a stream of a connection that is being made than one more; over plain http there
         are no streams, and libcurl would find that out from the first answer */
      curl_easy_setopt(handle->easy, CURLOPT_PIPEWAIT, is_plain(url) ? 0L : 1L) == CURLE_OK &&
      curl_easy_setopt(handle->easy, CURLOPT_PRIVATE, request) == CURLE_OK)
    return handle;
  sora_handle_release(NULL, handle);
  return NULL;
}

void sora_request_query(lua_State *L, int client_index, int self, int options, int level) {
  struct settings settings;
  struct client *client = sora_client_check(L, client_index, level);
  struct request *request = lua_touserdata(L, self);
  read_options(L, client, request, options, SCOPE_QUERY, level, &settings);
  const struct base_url *base = prepare(L, client, client_index, request, &settings, level);
  keep_null(L, self, request, &settings);
  sora_client_check(L, client_index, level); /* a finaliser may have closed it meanwhile */
  int own = (settings.given & (AFFECTS_TRANSPORT | AFFECTS_URL)) != 0;
  char *url = sora_url_query(base, request->id, request->id_length);
  request->handle = handle_for(client, request, own ? &settings : NULL, base->loopback, url);
  free(url);
  sora_url_free_base(&request->base);
  sora_request_launch(request, client);
  lua_settop(L, self);
}

void sora_request_check_options(lua_State *L, int client_index, int options, int level) {
  if (lua_isnil(L, options))
    return;
  struct settings settings;
  struct request *request = new_request(L, "", 0);
  struct client *client = sora_client_check(L, client_index, level);
  read_options(L, client, request, options, SCOPE_QUERY, level, &settings);
  prepare(L, client, client_index, request, &settings, level);
  sora_request_forget(request);
}

/* The headers of a download: none of the caller's, since the video's host is not the service. */
static int set_fetch(struct request *request, const struct fetch *fetch) {
  CURL *easy = request->handle->easy;
  char range[32];
  long patience = request->request_timeout < 1e6 ? (long)ceil(request->request_timeout) : 1000000;
  int failed = 0, secure = !is_plain(fetch->url);
#define SET(option, value) (failed |= curl_easy_setopt(easy, option, value) != CURLE_OK)
  SET(CURLOPT_ACCEPT_ENCODING, NULL);
  SET(CURLOPT_BUFFERSIZE, (long)DOWNLOAD_BUFFER);
  SET(CURLOPT_PATH_AS_IS, 1L);
  SET(CURLOPT_FOLLOWLOCATION, 1L);
  SET(CURLOPT_MAXREDIRS, (long)MOST_REDIRECTS);
#if LIBCURL_VERSION_NUM >= 0x075500
  SET(CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
#else
  SET(CURLOPT_REDIR_PROTOCOLS, (long)(secure ? CURLPROTO_HTTPS : CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
  /* no limit for the whole: only a transfer that stands still is given up */
  SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
  SET(CURLOPT_LOW_SPEED_TIME, patience);
  if (fetch->offset > 0) {
    snprintf(range, sizeof range, "%lld-", fetch->offset);
    SET(CURLOPT_RANGE, range);
  }
#undef SET
  return !failed;
}

void sora_request_fetch(lua_State *L, int client_index, int self, const struct fetch *fetch,
                        int options, int level) {
  struct settings settings;
  struct client *client = sora_client_check(L, client_index, level);
  struct request *request = lua_touserdata(L, self);
  read_options(L, client, request, options, SCOPE_DOWNLOAD, level, &settings);
  request->retries = 0;
  if (fetch->validator != NULL && strlen(fetch->validator) < sizeof request->validator)
    strcpy(request->validator, fetch->validator);
  if (!sora_headers_add(&request->headers, "Accept", "*/*") ||
      (request->validator[0] != '\0' &&
       !sora_headers_add(&request->headers, "If-Range", request->validator)))
    luaL_error(L, "not enough memory");
  int opened = sora_sink_open(&request->sink, fetch->path, fetch->offset);
  if (opened) {
    request->handle =
        handle_for(client, request, &settings, sora_url_is_loopback(fetch->url), fetch->url);
    if (request->handle != NULL && !set_fetch(request, fetch)) {
      sora_handle_release(NULL, request->handle);
      request->handle = NULL;
    }
  } else {
    sora_request_refuse(request, ERROR_io,
                        request->sink.failure == EWOULDBLOCK
                            ? "another download is writing this file"
                            : strerror(request->sink.failure));
  }
  sora_request_launch(request, client);
  lua_settop(L, self);
}

/* ---- the userdata ---- */

struct request *sora_request_check(lua_State *L, int index) {
  return luaL_checkudata(L, index, METATABLE);
}

static int collect(lua_State *L) {
  struct request *request = sora_request_check(L, 1);
  if (request->client != NULL) {
    sora_request_cancel(request, "collected");
    sora_request_claim(request);
    request->client = NULL;
  }
  sora_sink_close(&request->sink);
  sora_request_forget(request);
  sora_url_free_base(&request->base);
  return 0;
}

static int cancel(lua_State *L) {
  struct request *request = sora_request_check(L, 1);
  if (request->client != NULL) {
    sora_client_enter(request->client);
    sora_request_cancel(request, "cancelled by the caller");
    sora_client_announce(request->client);
  }
  return 0;
}

static int done(lua_State *L) {
  lua_pushboolean(L, sora_request_check(L, 1)->state == REQUEST_ENDED);
  return 1;
}

/* request:progress() → bytes received, bytes in all (nil: not known); of a download, an earlier
 * part included */
static int progress(lua_State *L) {
  struct request *request = sora_request_check(L, 1);
  lua_pushinteger(L, (lua_Integer)(request->sink.offset + request->sink.received));
  if (request->total < 0)
    return 1;
  lua_pushinteger(L, (lua_Integer)request->total);
  return 2;
}

/* request:etag() → the strong ETag of a download's answer (RFC 9110, 8.8.3), or nothing */
static int etag(lua_State *L) {
  const char *text = sora_request_check(L, 1)->answer.etag;
  if (*text != '"')
    return 0;
  lua_pushstring(L, text);
  return 1;
}

/* request:release(): lets go of the file that a download has written */
static int release(lua_State *L) {
  sora_sink_close(&sora_request_check(L, 1)->sink);
  return 0;
}

static int to_string(lua_State *L) {
  static const char *const states[] = {"new", "running", "paused", "ended"};
  struct request *request = sora_request_check(L, 1);
  lua_pushfstring(L, "sora.request (%s, %s)", request->id, states[request->state]);
  return 1;
}

void sora_request_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"cancel", cancel},     {"done", done},
                                     {"progress", progress}, {"etag", etag},
                                     {"release", release},   {NULL, NULL}};
  luaL_newmetatable(L, METATABLE);
  lua_pushcfunction(L, collect);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, to_string);
  lua_setfield(L, -2, "__tostring");
  lua_pushliteral(L, METATABLE);
  lua_setfield(L, -2, "__name");
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
