/*
 * What a client is made of, for the files that are its parts: client.c (life, and what is asked
 * from outside), multi.c (libcurl's multi handle and its sockets), course.c (the way of a request
 * through queue, attempts and pauses), step.c (what a step does). No other file looks into it.
 */
#ifndef SORA_CLIENT_PARTS_H
#define SORA_CLIENT_PARTS_H

#include <curl/curl.h>

#include "transfer/client.h"
#include "transfer/connections.h"
#include "transfer/handle.h"
#include "transfer/pollset.h"
#include "transfer/queue.h"
#include "transfer/request.h"
#include "transfer/timers.h"

enum { STARTS_PER_STEP = 32 /* what is started beyond that waits for the next step */ };

struct client {
  CURLM *multi; /* NULL: closed, or not open yet */
  CURLSH *share;
  struct pollset set;
  struct connections connections;
  struct timers timers;    /* of requests */
  double curl_due;         /* when libcurl wants to be called, 0: it does not */
  double kept_due;         /* when to look for requests that libcurl keeps, 0: no need */
  double served;           /* when the sockets were looked at last */
  struct place_list live;  /* requests that have not ended */
  struct place_list ended; /* those that have, and were not given out yet */
  struct place_list told;  /* those that were given out, and not taken yet */
  struct reported_list reported;
  unsigned news; /* counts what there was to tell: ends, and reports of those that go on */
  struct host *hosts;
  int queued;  /* requests that wait in the hosts' queues */
  int started; /* in this step */
  int streams; /* that libcurl puts on one connection, at most */
  int tag;     /* the last that was given to a request */
  struct handles handles;
  struct settings *settings; /* NULL, as the headers: closed */
  struct base_url base;
  struct headers *headers;
  struct client_counts counts;
  unsigned process;    /* that the connections belong to, 0: there never were any */
  int exported;        /* the descriptor was handed out: its timer has to be armed */
  int forgotten;       /* a live attempt is marked so */
  int failed;          /* libcurl's multi handle is not to be relied on any more */
  int short_of_memory; /* it was, in libcurl: a connection may be left that never comes to be */
  unsigned acts; /* on sockets: the next step goes on after the last one, so that all have a turn */
  int open;
};

static inline struct request *sora_request_at(struct place *place) {
  return (struct request *)(void *)place;
}

/* ---- client.c ---- */

/* A client's lists. One that is in no list is left alone. */
void sora_places_append(struct place_list *list, struct place *place);
void sora_places_remove(struct place *place);

/* Ends what is in flight and drops all connections; the next request opens new ones. */
void sora_client_start_over(struct client *client, const char *why);

/* ---- multi.c ---- */

/* Opens the multi handle where it is not open. Returns 0, with errno, when memory or descriptors
   are short; the client is as before then. */
int sora_multi_ready(struct client *client);

/* Closes it, with all connections. The pollset stays open: a host may watch its descriptor. */
void sora_multi_close(struct client *client);

/* Notes in every host that no connection is left. */
void sora_multi_forget_hosts(struct client *client);

/* Has the handle open and close its sockets by us. Returns 0 without memory. */
int sora_multi_set_sockets(struct client *client, struct handle *handle);

/* ---- course.c ---- */

/* Puts a request into its host's queue; in front: it had its turn already. */
void sora_course_enqueue(struct request *request, int in_front);

/* Hands on what may start. */
void sora_course_start_waiting(struct client *client);

/* Takes back what libcurl keeps to itself. */
void sora_course_take_back_kept(struct client *client, double now);

/* libcurl has ended the attempt, or is not to go on with it. */
void sora_course_attempt_over(struct request *request, CURLcode code);

/* The request's timer is due. */
void sora_course_on_time(struct request *request, double now);

/* Ends a request that has not ended, whatever it does. */
void sora_course_break_off(struct request *request, enum error_kind kind, const char *why);

/* Ends a request whose outcome stands. */
void sora_course_end(struct request *request);

/* Ends a request for which memory is short. */
void sora_course_end_without_memory(struct request *request);

#endif
