#include "client.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat.h"
#include "handle.h"
#include "headers.h"
#include "request.h"

#define METATABLE "sora.client"
#define CLASSES "sora.clients" /* the set of metatables that clients have */
#define DEFAULT_BASE_URL "https://az.gptplus5.com"

enum {
  MOST_STREAMS =
      10000, /* on one HTTP/2 connection; libcurl's own limit is 100, the server's counts as well */
  EVENTS_PER_STEP = 64
};

/* ---- lists ---- */

void sora_list_append(struct request_list *list, struct request *request) {
  request->previous = list->last;
  request->next = NULL;
  *(list->last ? &list->last->next : &list->first) = request;
  list->last = request;
}

void sora_list_remove(struct request_list *list, struct request *request) {
  *(request->previous ? &request->previous->next : &list->first) = request->next;
  *(request->next ? &request->next->previous : &list->last) = request->previous;
  request->previous = request->next = NULL;
}

/* xorshift64*, Vigna 2016 */
double sora_client_random(struct client *client) {
  unsigned long long x = client->random;
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  client->random = x;
  return (double)((x * 2685821657736338717ULL) >> 11) / 9007199254740992.0;
}

static void seed(struct client *client) {
  double now = sora_now();
  unsigned long long bits;
  memcpy(&bits, &now, sizeof bits);
  client->random =
      (bits ^ (unsigned long long)getpid() << 32 ^ (unsigned long long)(size_t)client) | 1;
}

/* ---- libcurl's global state ---- */

static CURLcode global_code;
static pthread_once_t global_once = PTHREAD_ONCE_INIT;

/* libcurl is never cleaned up, and this module never unmapped: a thread that looks up a host can
   outlive the Lua state that asked, and runs code of libcurl's then. */
static void global_init(void) {
  Dl_info info;
  global_code = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (dladdr((void *)&global_once, &info) != 0 && info.dli_fname != NULL)
    dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

/* ---- the multi handle ---- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *argument, void *unused) {
  struct client *client = argument;
  (void)easy, (void)unused;
  return sora_pollset_want(&client->set, fd, what == CURL_POLL_REMOVE ? 0 : what) ? 0 : -1;
}

static int on_timer(CURLM *multi, long milliseconds, void *argument) {
  struct client *client = argument;
  (void)multi;
  client->curl_due = milliseconds < 0 ? 0 : sora_now() + (double)milliseconds / 1000;
  return 0;
}

static int set_multi(struct client *client) {
  CURLM *multi = client->multi;
  int failed = 0;
#define SET(option, value) (failed |= curl_multi_setopt(multi, option, value) != CURLM_OK)
  SET(CURLMOPT_SOCKETFUNCTION, on_socket);
  SET(CURLMOPT_SOCKETDATA, client);
  SET(CURLMOPT_TIMERFUNCTION, on_timer);
  SET(CURLMOPT_TIMERDATA, client);
  /* without a limit, a thousand requests open hundreds of connections before the first says it can
   * multiplex */
  SET(CURLMOPT_MAX_HOST_CONNECTIONS, client->settings.max_connections);
  SET(CURLMOPT_MAX_CONCURRENT_STREAMS, (long)MOST_STREAMS);
#undef SET
  return !failed;
}

static void close_multi(struct client *client) {
  sora_handles_free(client);
  if (client->multi != NULL)
    curl_multi_cleanup(client->multi);
  client->multi = NULL;
  if (client->share != NULL)
    curl_share_cleanup(client->share);
  client->share = NULL;
  sora_pollset_close(&client->set);
  client->curl_due = 0;
}

/* Returns 0 when memory or descriptors are short; the client is as before then. */
static int open_multi(struct client *client) {
  pthread_once(&global_once, global_init);
  client->process = getpid();
  seed(client);
  if (global_code == CURLE_OK && sora_pollset_init(&client->set)) {
    client->multi = curl_multi_init();
    client->share = curl_share_init();
    if (client->multi != NULL && client->share != NULL && set_multi(client) &&
        curl_share_setopt(client->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) == CURLSHE_OK)
      return 1;
  }
  close_multi(client);
  return 0;
}

/* What was in flight is the parent's: here it is lost. The connections are cut from their sockets
   before libcurl closes them, so that not a byte of it reaches the parent's servers. */
static void leave_parent(struct client *client) {
  sora_pollset_orphan(&client->set);
  while (client->live.first != NULL)
    sora_request_cancel(client->live.first, "lost: the process was forked while it was in flight");
  close_multi(client);
  client->counts.open_connections = 0;
  client->exported = 0;
}

/* ---- stepping ---- */

static void collect(struct client *client) {
  CURLMsg *message;
  int left;
  while (client->multi != NULL && (message = curl_multi_info_read(client->multi, &left)) != NULL) {
    CURLcode code = message->data.result;
    struct request *request = NULL;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
    sora_request_attempt_ended(request, code);
  }
}

/* Seconds until a timer is due, 0: now, below 0: there is none. */
static double due_in(const struct client *client) {
  const struct timer *pause = sora_timers_first(&client->pauses);
  double due = client->curl_due;
  if (pause != NULL && (due == 0 || pause->due < due))
    due = pause->due;
  if (due == 0)
    return -1;
  double left = due - sora_now();
  return left > 0 ? left : 0;
}

double sora_client_timeout(const struct client *client) {
  return client->finished.first != NULL ? 0 : due_in(client);
}

/* Makes the descriptor readable in `due` seconds, below 0: when a socket is ready. */
static void arm(struct client *client, double due) {
  sora_pollset_arm(&client->set, due < 0 ? 0 : sora_now() + due);
}

static void run_timers(struct client *client) {
  int running;
  double now = sora_now();
  struct timer *pause;
  while ((pause = sora_timers_first(&client->pauses)) != NULL && pause->due <= now) {
    sora_timers_remove(&client->pauses, pause);
    sora_request_resume(sora_request_of_pause(pause));
  }
  if (client->curl_due != 0 && client->curl_due <= now) {
    client->curl_due = 0;
    curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
  }
  collect(client);
}

int sora_client_step(struct client *client, double seconds) {
  struct pollset_event events[EVENTS_PER_STEP];
  int running;
  if (client->multi == NULL)
    return 1;
  const struct request *last = client->finished.last;
  run_timers(client);
  double due = due_in(client);
  if (client->finished.last != last)
    seconds = 0;
  else if (due >= 0 && (seconds < 0 || due < seconds))
    seconds = due;
  int count = sora_pollset_wait(&client->set, seconds, events, EVENTS_PER_STEP);
  if (count < 0)
    return 0;
  for (int i = 0; i < count; i++)
    curl_multi_socket_action(client->multi, events[i].fd, events[i].events, &running);
  run_timers(client);
  if (client->exported)
    arm(client, due_in(client));
  return 1;
}

void sora_client_announce(struct client *client) {
  if (client->exported)
    arm(client, sora_client_timeout(client));
}

/* ---- life ---- */

int sora_client_ready(struct client *client) {
  return client->multi != NULL || open_multi(client);
}

static void wipe(const char **text) {
  if (*text != NULL)
    explicit_bzero((char *)(size_t)*text, strlen(*text));
  free((char *)(size_t)*text);
  *text = NULL;
}

/* Gives back all but the queue of finished requests. */
static void release(struct client *client) {
  struct settings *own = &client->settings;
  close_multi(client);
  sora_timers_free(&client->pauses);
  sora_headers_free(client->headers);
  client->headers = NULL;
  wipe(&own->api_key), wipe(&own->base_url), wipe(&own->forwarded_host);
  wipe(&own->ca_file), wipe(&own->proxy), wipe(&own->user_agent);
}

void sora_client_close(struct client *client) {
  if (client->closed)
    return;
  if (client->multi != NULL && client->process != getpid())
    leave_parent(client);
  client->closed = 1;
  while (client->live.first != NULL)
    sora_request_cancel(client->live.first, "the client was closed");
  release(client);
}

static int collect_client(lua_State *L) {
  struct client *client = lua_touserdata(L, 1);
  sora_client_close(client);
  sora_url_free_base(&client->base);
  while (client->finished.first != NULL) {
    struct request *request = client->finished.first;
    sora_request_claim(request);
    request->client = NULL;
  }
  return 0;
}

/* ---- making one ---- */

static void own_string(lua_State *L, const char **field, const char *text) {
  *field = text == NULL ? NULL : strdup(text);
  if (text != NULL && *field == NULL)
    luaL_error(L, "not enough memory");
}

/* Reads the options at stack index 1 and takes over what they hold. The client is valid, and is
   freed by its finaliser, at each point where this raises. */
static void configure(lua_State *L, struct client *client, int values) {
  struct settings given, *own = &client->settings;
  sora_settings_init(&given);
  sora_settings_read(L, 1, SCOPE_CLIENT, 1, &given);
  if (given.api_key == NULL)
    given.api_key = getenv("SORA_API_KEY");
  if (given.api_key != NULL && sora_has_control(given.api_key, strlen(given.api_key)))
    sora_misuse(L, 1, "$SORA_API_KEY contains a control character");
  const char *from = given.base_url ? "option 'base_url'" : "$SORA_BASE_URL";
  if (given.base_url == NULL)
    given.base_url = getenv("SORA_BASE_URL");
  if (given.base_url == NULL || *given.base_url == '\0')
    given.base_url = DEFAULT_BASE_URL;
  const char *wrong = sora_url_parse_base(given.base_url, &client->base);
  if (wrong != NULL)
    sora_misuse(L, 1, "%s %s", from, wrong);
  if (!sora_http_version_supported(given.http_version))
    sora_misuse(L, 1, "option 'http_version': this libcurl cannot do it");
  sora_settings_headers(L, &given, 0, 1, &client->headers);
  sora_client_check_plain(L, 1, &client->base, &given, client->headers);
  for (int i = 0; i < 2; i++) {
    int value = i == 0 ? given.headers : given.null;
    if (value == 0)
      continue;
    lua_pushvalue(L, value);
    lua_setfield(L, values, i == 0 ? "headers" : "null");
  }
  *own = given;
  own->api_key = own->base_url = own->forwarded_host = NULL;
  own->ca_file = own->proxy = own->user_agent = NULL;
  own_string(L, &own->api_key, given.api_key);
  own_string(L, &own->forwarded_host, given.forwarded_host);
  own_string(L, &own->ca_file, given.ca_file);
  own_string(L, &own->proxy, given.proxy);
  own_string(L, &own->user_agent, given.user_agent);
}

int sora_client_new(lua_State *L) {
  lua_settop(L, 1);
  struct client *client = lua_newuserdata(L, sizeof *client);
  memset(client, 0, sizeof *client);
  sora_pollset_preinit(&client->set);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_setmetatable(L, 2);
  lua_createtable(L, 0, 3);
  lua_newtable(L); /* requests by their serial; the values are weak, a request that nobody waits for
                      is cancelled */
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_setfield(L, 3, "requests");
  lua_pushvalue(L, 3);
  lua_setuservalue(L, 2);
  configure(L, client, 3);
  lua_settop(L, 2);
  return 1;
}

int sora_client_push_headers(lua_State *L, int index) {
  lua_getuservalue(L, index);
  lua_getfield(L, -1, "headers");
  lua_remove(L, -2);
  return lua_istable(L, -1) ? lua_gettop(L) : 0;
}

void sora_client_check_plain(lua_State *L, int level, const struct base_url *base,
                             const struct settings *settings, const struct curl_slist *headers) {
  int seen_by_others = base->plain && (!base->loopback || settings->proxy != NULL);
  if (seen_by_others && !settings->allow_http && sora_headers_key(headers) != NULL)
    sora_misuse(L, level,
                "option 'base_url' is plain http: the key would travel in the clear "
                "(use https, or set option 'allow_http')");
}

/* ---- the userdata ---- */

struct client *sora_client_check_any(lua_State *L, int index) {
  struct client *client = lua_touserdata(L, index);
  int found = 0;
  if (client != NULL && lua_getmetatable(L, index)) {
    luaL_getmetatable(L, CLASSES);
    lua_insert(L, -2);
    lua_rawget(L, -2);
    found = lua_toboolean(L, -1);
    lua_pop(L, 2);
  }
  if (!found)
    luaL_argerror(L, index, "sora.client expected");
  return client;
}

struct client *sora_client_check(lua_State *L, int index, int level) {
  struct client *client = sora_client_check_any(L, index);
  if (client->closed)
    sora_misuse(L, level, "the client is closed");
  if (client->multi != NULL && client->process != getpid())
    leave_parent(client);
  return client;
}

void sora_client_register(lua_State *L, int client_index, int owner) {
  int self = lua_gettop(L);
  struct request *request = lua_touserdata(L, self);
  struct client *client = lua_touserdata(L, client_index);
  lua_getuservalue(L, client_index);
  lua_getfield(L, -1, "requests");
  if (request->own_null)
    lua_getuservalue(L, self);
  else
    lua_createtable(L, 0, 2);
  lua_pushvalue(L, client_index);
  lua_setfield(L, -2, "client");
  lua_pushvalue(L, owner);
  lua_setfield(L, -2, "owner");
  lua_setuservalue(L, self);
  client->serial = client->serial % INT_MAX + 1;
  lua_pushvalue(L, self);
  lua_rawseti(L, -2, client->serial);
  request->serial = client->serial;
  lua_settop(L, self);
}

/* client:request(id [, opts [, owner [, level]]]): starts a query and returns at once. `owner` is a
   table that client:finished gives back with it. Misuse is raised `level` up. */
static int start_request(lua_State *L) {
  int level = (int)luaL_optinteger(L, 5, 1);
  lua_settop(L, 4);
  struct request *request = sora_request_query(L, 1, 2, 3, level);
  sora_client_register(L, 1, 4);
  sora_client_announce(request->client);
  return 1;
}

static const char *field(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name); /* left on the stack, which keeps the string alive */
  return lua_isnil(L, -1) ? NULL : lua_tostring(L, -1);
}

/* client:fetch({id, url, path, offset, validator} [, opts [, owner]]): starts a download into the
   file `path`, from byte `offset` on. */
static int start_fetch(lua_State *L) {
  struct fetch fetch = {0};
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 4);
  fetch.url = field(L, 2, "url");
  fetch.path = field(L, 2, "path");
  fetch.validator = field(L, 2, "validator");
  lua_getfield(L, 2, "offset");
  fetch.offset = (long long)lua_tonumber(L, -1);
  lua_getfield(L, 2, "id");
  luaL_argcheck(L, fetch.url != NULL && fetch.path != NULL, 2, "url and path expected");
  struct request *request = sora_request_fetch(L, 1, lua_gettop(L), &fetch, 3, 1);
  sora_client_register(L, 1, 4);
  sora_client_announce(request->client);
  return 1;
}

/* client:finished() → request, owner of one that has ended since, or nothing */
static int finished(lua_State *L) {
  struct client *client = sora_client_check_any(L, 1);
  lua_settop(L, 1);
  lua_getuservalue(L, 1);
  lua_getfield(L, 2, "requests");
  struct request *request;
  while ((request = client->finished.first) != NULL) {
    int serial = request->serial;
    sora_request_claim(request);
    if (serial == 0)
      continue;
    lua_rawgeti(L, 3, serial);
    lua_pushnil(L);
    lua_rawseti(L, 3, serial);
    if (lua_isnil(L, -1)) { /* its finaliser is about to run */
      lua_pop(L, 1);
      continue;
    }
    lua_getuservalue(L, -1);
    lua_getfield(L, -1, "owner");
    lua_remove(L, -2);
    return 2;
  }
  return 0;
}

static int step(lua_State *L) {
  sora_client_step(sora_client_check(L, 1, 1), 0);
  return 0;
}

/* client:pollfd() → a descriptor that is readable when client:step has something to do; nil: poll
   by the timeout, this build has none, or descriptors are short */
static int pollfd(lua_State *L) {
  struct client *client = sora_client_check(L, 1, 1);
  int fd = sora_client_ready(client) ? sora_pollset_fd(&client->set) : -1;
  if (fd < 0)
    return 0;
  if (!client->exported) {
    client->exported = 1;
    sora_client_announce(client);
  }
  lua_pushinteger(L, fd);
  return 1;
}

/* client:cancel(): ends everything in flight as cancelled */
static int cancel_all(lua_State *L) {
  struct client *client = sora_client_check_any(L, 1);
  while (client->live.first != NULL)
    sora_request_cancel(client->live.first, "cancelled by the caller");
  sora_client_announce(client);
  return 0;
}

/* client:in_flight() → how many requests have not ended */
static int in_flight(lua_State *L) {
  lua_pushinteger(L, sora_client_check_any(L, 1)->counts.in_flight);
  return 1;
}

/* client:retries() → the client's own default */
static int retries(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)sora_client_check_any(L, 1)->settings.retries);
  return 1;
}

static int closed(lua_State *L) {
  lua_pushboolean(L, sora_client_check_any(L, 1)->closed);
  return 1;
}

static int events(lua_State *L) {
  sora_client_check_any(L, 1);
  lua_pushliteral(L, "r");
  return 1;
}

/* client:timeout() → seconds until client:step has something to do whatever the descriptor says;
 * nil: never */
static int timeout(lua_State *L) {
  double due = sora_client_timeout(sora_client_check_any(L, 1));
  if (due < 0)
    return 0;
  lua_pushnumber(L, due);
  return 1;
}

/* client:on_close(fn): client:close() calls fn() when it has closed. One function per client. */
static int on_close(lua_State *L) {
  sora_client_check_any(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  lua_getuservalue(L, 1);
  lua_insert(L, 2);
  lua_setfield(L, 2, "on_close");
  return 0;
}

static int close_client(lua_State *L) {
  struct client *client = sora_client_check_any(L, 1);
  int was_open = !client->closed;
  sora_client_close(client);
  lua_getuservalue(L, 1);
  lua_getfield(L, -1, "on_close");
  if (was_open && lua_isfunction(L, -1))
    lua_call(L, 0, 0);
  return 0;
}

/* client:check(opts, level): raises, `level` up, what client:request would raise over these */
static int check(lua_State *L) {
  int level = (int)luaL_checkinteger(L, 3);
  lua_settop(L, 2);
  sora_client_check(L, 1, level);
  sora_request_check_options(L, 1, 2, level);
  return 0;
}

/* __close: by the method, which a host may have put something around */
static int close_by_method(lua_State *L) {
  lua_settop(L, 1);
  lua_getfield(L, 1, "close");
  lua_insert(L, 1);
  lua_call(L, 1, 0);
  return 0;
}

static int stats(lua_State *L) {
  const struct client *client = sora_client_check_any(L, 1);
  const struct {
    const char *name;
    double value;
  } rows[] = {{"requests", (double)client->counts.requests},
              {"attempts", (double)client->counts.attempts},
              {"connections", (double)client->counts.connections},
              {"open_connections", (double)client->counts.open_connections},
              {"in_flight", (double)client->counts.in_flight}};
  lua_newtable(L);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    lua_pushinteger(L, (lua_Integer)rows[i].value);
    lua_setfield(L, -2, rows[i].name);
  }
  return 1;
}

static int to_string(lua_State *L) {
  const struct client *client = sora_client_check_any(L, 1);
  if (client->closed)
    lua_pushliteral(L, "sora.client (closed)");
  else
    lua_pushfstring(L, "sora.client (%s, %d in flight)", client->base.prefix,
                    (int)client->counts.in_flight);
  return 1;
}

int sora_client_class(lua_State *L) {
  static const luaL_Reg methods[] = {{"request", start_request}, {"fetch", start_fetch},
                                     {"finished", finished},     {"step", step},
                                     {"pollfd", pollfd},         {"events", events},
                                     {"timeout", timeout},       {"stats", stats},
                                     {"close", close_client},    {"cancel", cancel_all},
                                     {"in_flight", in_flight},   {"closed", closed},
                                     {"retries", retries},       {"on_close", on_close},
                                     {"check", check},           {NULL, NULL}};
  static const luaL_Reg metamethods[] = {
      {"__gc", collect_client}, {"__tostring", to_string}, {NULL, NULL}};
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_pushvalue(L, 1);
  luaL_setfuncs(L, methods, 0);
  lua_newtable(L);
  luaL_setfuncs(L, metamethods, 0);
  lua_pushcfunction(L, close_by_method);
  lua_setfield(L, 3, "__close");
  lua_pushvalue(L, 1);
  lua_setfield(L, 3, "__index");
  lua_pushliteral(L, METATABLE);
  lua_setfield(L, 3, "__name");
  luaL_getmetatable(L, CLASSES);
  lua_pushvalue(L, 3);
  lua_pushboolean(L, 1);
  lua_rawset(L, -3);
  lua_pop(L, 1);
  lua_pushcclosure(L, sora_client_new, 1);
  return 1;
}

void sora_client_open(lua_State *L) {
  luaL_newmetatable(L, CLASSES);
  lua_pop(L, 1);
}
