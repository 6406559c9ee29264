/*
 * One request: what is asked, with which settings and limits, and what came of it. Its attempts are
 * attempt.c's; lists, timers and the multi handle are its client's.
 *
 *   state    what it is                                      what ends it
 *   NEW      being put together                              sora_client_start: QUEUED, or ENDED
 *                                                            where something is wrong already
 *   QUEUED   waits until a connection or a stream of its     its turn: RUNNING; its deadline or a
 *            host is free                                    cancellation: ENDED
 *   RUNNING  its easy handle is in the multi handle          the attempt's end: ENDED, PAUSED, or
 *                                                            QUEUED where libcurl only kept it
 *   PAUSED   waits before its next attempt                   time: QUEUED; cancellation: ENDED
 *   ENDED    the outcome stands; among its client's ended    sora_request_renew, once it was taken:
 *            ones until it is taken                          NEW
 *
 * For transfer/ alone: others see requests through client.h. Lua is not known here.
 */
#ifndef SORA_REQUEST_H
#define SORA_REQUEST_H

#include <curl/curl.h>

#include "transfer/attempt.h"
#include "transfer/buffer.h"
#include "transfer/client.h"
#include "transfer/fetch.h"
#include "transfer/headers.h"
#include "transfer/outcome.h"
#include "transfer/queue.h"
#include "transfer/reports.h"
#include "transfer/settings.h"

/* What is sent with a call: see struct call in client.h. */
struct sending {
  int active; /* this is a call */
  int once, sent;
  int large;           /* it may take its time to be sent */
  char *method, *body; /* NULL: no body */
  size_t length;       /* of the body */
  struct form *form;   /* in its place, or NULL */
  curl_mime *mime;     /* the form as the attempt that runs sends it */
};

struct request {
  struct place place; /* the first, so that one leads to the other */
  char *url;
  size_t path;               /* where the URL's path begins, 0: libcurl is to find that */
  size_t relay_length;       /* of the base URL that it begins with, 0: it has none */
  int loopback, plain;       /* the URL's host is this machine; it is http: */
  struct headers *headers;   /* that are sent, of a download only to its own origin */
  struct settings *settings; /* its client's, where it has none of its own */
  struct request_limits limits;
  int attempts;
  int kept;      /* how often libcurl has kept it to itself */
  int tag;       /* for whoever started it */
  CURLcode code; /* how libcurl has ended the attempt, until that is dealt with */
  struct attempt attempt;
  struct reports reports;
  struct buffer body; /* of the answer; of a download only where that is no video */
  struct fetch fetch;
  struct sending sending;
  struct outcome outcome;
  int renewable;             /* nothing was given with it that is its own */
  size_t id_length, id_room; /* bytes; the room is that of the longest id it can have */
  char id[];                 /* NUL-terminated */
};

/* Frees it; it is in no list. */
void sora_request_destroy(struct request *request);

/* Sets the outcome of a request that ends without an answer, whatever came before. */
void sora_request_fail(struct request *request, enum error_kind kind, const char *message);

/* call.c: sets on the handle what a call sends. Returns 0 without memory. */
int sora_sending_set(struct request *request, CURL *easy);

/* call.c: notes, before the handle is given back, whether anything may have been sent. */
void sora_sending_note(struct request *request);

/* call.c: what an attempt needed goes with its handle; all of it with the request. */
void sora_sending_end(struct request *request);
void sora_sending_free(struct request *request);

#endif
