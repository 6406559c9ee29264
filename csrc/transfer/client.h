/*
 * A client: the multi handle, what it is polled with, the requests in flight and the queue of
 * finished ones.
 *
 * Owns everything that requests share: connections, TLS sessions, idle easy handles, settings. What
 * Lua sees of it is lua/client.h's.
 */
#ifndef SORA_CLIENT_H
#define SORA_CLIENT_H

#include <curl/curl.h>
#include <sys/types.h>

#include "transfer/settings.h"
#include "transfer/pollset.h"
#include "transfer/timers.h"
#include "transfer/url.h"

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
  struct timers timers; /* of requests: the end of a pause, the limit of an attempt */
  double curl_due;      /* when libcurl wants to be called, 0: it does not */
  struct request_list live, finished;
  struct handle *idle; /* easy handles that keep their settings */
  int idle_count;
  struct settings settings; /* its strings are the client's own */
  struct base_url base;
  struct curl_slist *headers;
  struct client_counts counts;
  unsigned long long answers; /* attempts that a server answered: while it grows, a queue moves */
  unsigned long long random;  /* state of the generator behind the jitter */
  pid_t process;              /* that the connections belong to, 0: there never were any */
  int exported;               /* the descriptor was handed out: its timer has to be armed */
  int serial;                 /* of the last request that is in the table of requests */
  int broken;                 /* libcurl's multi handle is not to be relied on any more */
  int worn;      /* memory was short in it: a connection may be left that never comes to be */
  int started;   /* since the last step */
  unsigned acts; /* on sockets: the next step goes on after the last one, so that all have a turn */
  int closed;
};

/* To be called before anything else is done with a client or its requests. In a child of fork the
   connections are the parent's: what was in flight has ended as cancelled when this returns, and
   not a byte of it reached the parent's servers. */
void sora_client_enter(struct client *client);

/* Opens the multi handle where it is not open. Returns 0 when memory or descriptors are short. */
int sora_client_ready(struct client *client);

/* Whether a request may be started at once. Steps are kept short, for the sake of other events of
   the host: many that are started together are started by as many steps as it takes. */
int sora_client_may_start(struct client *client);

/* Does what is due; waits for it up to `seconds` (0: not at all, below 0: without limit). Returns
   0, with errno, when a signal ended the wait. */
int sora_client_step(struct client *client, double seconds);

/* Tells whoever polls the client's descriptor of requests that were cancelled between two steps. */
void sora_client_announce(struct client *client);

/* Seconds until something is due without any socket's being ready, 0: now, below 0: nothing is. */
double sora_client_timeout(const struct client *client);

/* Why no request of a closed client brings anything. */
extern const char sora_client_closed[];

/* Ends every request as cancelled, those in the queue included, overwrites the key and all else
   that may be a secret, and gives back what can't be used any more: only the queue stays.
   Idempotent. */
void sora_client_close(struct client *client);

/* Closes, and lets go of the queue. Idempotent. */
void sora_client_free(struct client *client);

/* A number from 0 to 1, for jitter: nothing depends on its being unpredictable. */
double sora_client_random(struct client *client);

void sora_list_append(struct request_list *list, struct request *request);
void sora_list_remove(struct request_list *list, struct request *request);

#endif
