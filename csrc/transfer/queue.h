/*
 * The queue before libcurl, host by host: a request is handed on when a connection, or a stream of
 * one, should be free for it, so that libcurl's own queue stays empty. In that queue the time
 * counts as time to connect (libcurl 8.13 and later), and nothing tells that a request is there.
 *
 * Which is free is learnt, since no documented interface tells how many streams a server allows:
 *
 *   what is known of the host               requests handed on at once
 *   nothing                                 one, whose connection shows the protocol; when that
 *                                           has failed, one for each connection
 *   one connection, no answer yet           one for each connection, at least two: the second joins
 *                                           the first where that speaks HTTP/2
 *   HTTP/1.1                                one for each connection; downloads leave one free
 *   HTTP/2, connections that stand          STREAMS on each, and one more for each connection that
 *                                           those who wait are worth
 *   HTTP/2, as many connections as allowed  `limit` in all: MOST_STREAMS on each until libcurl has
 *                                           kept a request to itself
 *   HTTP/2, whose server ends connections   fewer than STREAMS on each, down to one
 *   with requests on them
 *
 * First come, first served; questions before videos. What a request is, is not known here, nor are
 * Lua and curl.
 */
#ifndef SORA_QUEUE_H
#define SORA_QUEUE_H

#include "transfer/connections.h"
#include "transfer/timers.h"

struct client;
struct host;

enum request_state { REQUEST_NEW, REQUEST_QUEUED, REQUEST_RUNNING, REQUEST_PAUSED, REQUEST_ENDED };

struct place;

struct place_list {
  struct place *first, *last;
};

/* Where a request stands: among those of its client and in the queue of its host. */
struct place {
  struct place *previous, *next;             /* among those of its client … */
  struct place_list *list;                   /* … that are in this list; NULL: it is in none */
  struct place *queue_previous, *queue_next; /* those that wait for the same host */
  struct place *ended_next;                  /* of those that ended in one step */
  struct timer timer;                        /* its next attempt, or when it is looked after */
  struct client *client;                     /* NULL: none yet, or it is gone */
  struct host *host;
  enum request_state state;
  int video; /* a download */
};

enum {
  STREAMS = 10, /* on a connection, before another one is opened: libcurl looks at each transfer of
                   a connection whenever something comes on it */
  MOST_STREAMS = 128 /* on a connection: what servers allow, mostly */
};

struct host {
  struct host *next;
  struct connections *connections; /* of the client */
  int most;                        /* connections that are allowed */
  struct place_list questions, videos;
  int waiting; /* how many are in both */
  int live;    /* handed to libcurl */
  int live_videos;
  int unsent;     /* of the live: not sent on a connection yet … */
  int connecting; /* … and of these, how many are opening one */
  int stands;     /* connections on which requests were sent, and which are open */
  int version;    /* of HTTP, as the last answer said; 0: not known */
  int tried;      /* an attempt has failed before anything was known */
  int one_by_one; /* nothing may be handed on while a connection is being made */
  int limit;      /* of HTTP/2: so many requests are served at once */
  int streams;    /* on a connection: STREAMS, or fewer where the server ends it too soon */
  int restarts;   /* requests that libcurl had to send again since a connection was lost */
  int answers;    /* since the limit was changed */
  double look_at; /* when those that are idle may be looked at again: …_drain_closed */
  void *site;     /* its client's: libcurl's form of the origin, or NULL */
  char origin[];
};

/* With nothing in it and nothing known; NULL without memory. `plain`: http, so HTTP/1.1. */
struct host *sora_host_new(const char *origin, int plain, int most,
                           struct connections *connections);

/* Puts a request behind those that wait; `in_front`: before them, since it had its turn already. */
void sora_host_enqueue(struct host *host, struct place *place, int in_front);

/* Takes out one that waits. */
void sora_host_withdraw(struct host *host, struct place *place);

/* The one whose turn it is, still waiting; NULL: none may start now. */
struct place *sora_host_next(const struct host *host);

/* The request was handed to libcurl. */
void sora_host_began(struct host *host, const struct place *place);

/* A request that was not sent yet begins to open a connection. */
void sora_host_connects(struct host *host);

/* A request was sent on the connection (NULL: it is not known which). `again`: not for the first
   time; `opened`: it has opened the connection itself. */
void sora_host_sent(struct host *host, struct connection *connection, int again, int opened);

/* The request has left libcurl. `sent`: it had been sent; `opened`: it had begun to open a
   connection. */
void sora_host_left(struct host *host, const struct place *place, int sent, int opened);

/* An answer of that version of HTTP has begun. */
void sora_host_heard(struct host *host, int version);

/* Whether libcurl keeps requests to itself, as far as can be seen: they are neither sent nor open a
   connection, and nobody else does. */
int sora_host_is_kept_waiting(const struct host *host);

/* libcurl does keep some: the host serves fewer requests at once than were handed on. */
void sora_host_is_full(struct host *host);

/* A connection on which requests were sent is gone. */
void sora_host_lost(struct host *host);

/* How many streams a connection has to take for all that is live. */
int sora_host_streams(const struct host *host);

#endif
