/*
 * A client: the multi handle, what it is polled with, the requests in flight and the queue of
 * finished ones.
 *
 * Owns everything that requests share: connections, TLS sessions, idle easy handles, settings. Lua
 * is known only where a client is made or found on the stack; no callback of libcurl touches it.
 */
#ifndef SORA_CLIENT_H
#define SORA_CLIENT_H

#include <curl/curl.h>
#include <lua.h>
#include <sys/types.h>

#include "options.h"
#include "pollset.h"
#include "timers.h"
#include "url.h"

struct handle;
struct request;

struct request_list {
  struct request *first, *last;
};

struct client_counts {
  unsigned long long requests, attempts, connections; /* ever */
  long in_flight, open_connections;                   /* now */
};

struct client {
  CURLM *multi; /* NULL: closed, or not open yet */
  CURLSH *share;
  struct pollset set;
  struct timers pauses; /* requests that wait before their next attempt */
  double curl_due;      /* when libcurl wants to be called, 0: it does not */
  struct request_list live, finished;
  struct handle *idle; /* easy handles that keep their settings */
  int idle_count;
  struct settings settings; /* its strings are the client's own */
  struct base_url base;
  struct curl_slist *headers;
  struct client_counts counts;
  unsigned long long random; /* state of the generator behind the jitter */
  pid_t process;             /* that the connections belong to */
  int exported;              /* the descriptor was handed out: its timer has to be armed */
  int serial;                /* of the last request that is in the table of requests */
  int closed;
};

/* Prepares the registry. Pushes nothing. */
void sora_client_open(lua_State *L);

/* core.class(methods): adds the methods in C to the table and returns the function that makes
   clients with it: client(opts). */
int sora_client_class(lua_State *L);

/* client(opts): upvalue 1 is the metatable. */
int sora_client_new(lua_State *L);

/* The client at `index`; raises for anything else, and, `level` up, for a closed one. A client that
   came through a fork has dropped its parent's connections when this returns. */
struct client *sora_client_check(lua_State *L, int index, int level);

/* The same, closed or not. */
struct client *sora_client_check_any(lua_State *L, int index);

/* Ties the request on top of the stack to its client and to the value at `owner`, both of which it
   keeps alive, so that client:finished gives it back. */
void sora_client_register(lua_State *L, int client_index, int owner);

/* Pushes the client's table of further headers and returns its index; pushes nil and returns 0
 * without one. */
int sora_client_push_headers(lua_State *L, int index);

/* Raises, `level` up, when the key among `headers` would be sent in the clear to where others can
 * read it. */
void sora_client_check_plain(lua_State *L, int level, const struct base_url *base,
                             const struct settings *settings, const struct curl_slist *headers);

/* Opens the multi handle where it is not open. Returns 0 when memory or descriptors are short. */
int sora_client_ready(struct client *client);

/* Does what is due; waits for it up to `seconds` (0: not at all, below 0: without limit). Returns
   0, with errno, when a signal ended the wait. */
int sora_client_step(struct client *client, double seconds);

/* Tells whoever polls the client's descriptor of what was started or ended between two steps. */
void sora_client_announce(struct client *client);

/* Seconds until something is due without any socket's being ready, 0: now, below 0: nothing is. */
double sora_client_timeout(const struct client *client);

/* Ends every request as cancelled, wipes the key, gives back all but the queue of finished
 * requests. Idempotent. */
void sora_client_close(struct client *client);

/* A number from 0 to 1, for jitter: nothing depends on its being unpredictable. */
double sora_client_random(struct client *client);

void sora_list_append(struct request_list *list, struct request *request);
void sora_list_remove(struct request_list *list, struct request *request);

#endif
