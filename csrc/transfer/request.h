/*
 * One request: its attempts, and what they came to. It gives verdicts ("over", "again in n
 * seconds"); lists, timers and the multi handle are its client's.
 *
 *   state    what it is                                      what ends it
 *   NEW      being put together                              sora_client_start: QUEUED, or ENDED
 *                                                            where something is wrong already
 *   QUEUED   waits until a connection or a stream of its     its turn: RUNNING; its deadline or a
 *            host is free                                    cancellation: ENDED
 *   RUNNING  its easy handle is in the multi handle          the attempt's end: ENDED, PAUSED, or
 *                                                            QUEUED where libcurl only kept it
 *   PAUSED   waits before its next attempt                   time: QUEUED; cancellation: ENDED
 *   ENDED    the outcome stands; among its client's ended    –
 *            ones until it is taken
 *
 * For transfer/ alone: others see requests through client.h. Lua is not known here.
 */
#ifndef SORA_REQUEST_H
#define SORA_REQUEST_H

#include <curl/curl.h>

#include "transfer/buffer.h"
#include "transfer/client.h"
#include "transfer/fetch.h"
#include "transfer/handle.h"
#include "transfer/headers.h"
#include "transfer/outcome.h"
#include "transfer/queue.h"
#include "transfer/reports.h"
#include "transfer/settings.h"

/* When an attempt was where, on sora_now; 0: it never was. */
struct attempt_times {
  double queued, started, sent, first_byte;
};

/* The attempt that runs, or the last one. */
struct attempt {
  struct handle *handle; /* while it runs */
  size_t head;           /* bytes of the answer's headers */
  size_t came;           /* bytes of the answer in all */
  struct answer_headers answer;
  int opened;                    /* it has opened a socket of its own */
  int sent;                      /* how often it was sent: libcurl sends again by itself */
  int forgotten;                 /* it has lost a socket before it was sent */
  unsigned long long connection; /* the serial number of the one it was sent on, 0: none yet */
  unsigned long long progress;   /* of that connection when this was sent on it */
  int failure;                   /* errno of a socket that could not be opened, 0: none */
  struct attempt_times times;
};

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
  size_t id_length;
  char id[]; /* NUL-terminated */
};

/* Sets on the handle what is this request's, for an attempt that begins at `now`. Returns 0 without
   memory. */
int sora_request_begin(struct request *request, struct handle *handle, double now);

/* Before 7.80 libcurl does not tell when a request is sent: asks whether this one was. */
void sora_request_find_sent(struct request *request);

/* Judges an attempt that libcurl has ended. Returns the seconds until the next attempt, or a number
   below 0: the request is over, and its outcome stands. */
double sora_request_attempt_over(struct request *request, CURLcode code, double now);

/* The connection that the attempt was sent on, NULL: none yet, or it is gone. */
struct connection *sora_request_connection(const struct request *request);

/* Frees it; it is in no list. */
void sora_request_destroy(struct request *request);

/* When to look whether the attempt has taken too long, if it was sent at `since`; infinite: never.
 */
double sora_request_look_at(const struct request *request, double since);

/* Whether it has, at `now`; else when that is to be asked again, in `*due`. Where it has, the
   handle's error says what was waited for. */
int sora_request_is_late(struct request *request, double now, double *due);

/* Whether the connection that the attempt was sent on is to be shut at `now`: it has failed as a
   whole, or nothing at all has come on it since. libcurl would go on using one of HTTP/2. While
   others wait on it, a call that had less time than request_timeout takes it from nobody. */
int sora_request_spoils_connection(const struct request *request, CURLcode code, double now);

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
