/*
 * One attempt of a request: what is set on its easy handle, what libcurl's callbacks take in, and
 * the verdict over it ("over", "again in n seconds"). Lists, timers and the multi handle are the
 * client's: course.c does what the verdict says.
 *
 * For transfer/ alone. No Lua in a callback of libcurl.
 */
#ifndef SORA_ATTEMPT_H
#define SORA_ATTEMPT_H

#include <curl/curl.h>

#include "transfer/handle.h"
#include "transfer/headers.h"

struct connection;
struct request;

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

/* Sets on the handle what is this request's, for an attempt that begins at `now`. Returns 0 without
   memory. */
int sora_attempt_begin(struct request *request, struct handle *handle, double now);

/* Before 7.80 libcurl does not tell when a request is sent: asks whether this one was. */
void sora_attempt_find_sent(struct request *request);

/* Judges an attempt that libcurl has ended. Returns the seconds until the next attempt, or a number
   below 0: the request is over, and its outcome stands. */
double sora_attempt_over(struct request *request, CURLcode code, double now);

/* The connection that the attempt was sent on, NULL: none yet, or it is gone. */
struct connection *sora_attempt_connection(const struct request *request);

/* When to look whether the attempt has taken too long, if it was sent at `since`; infinite: never.
 */
double sora_attempt_look_at(const struct request *request, double since);

/* Whether it has, at `now`; else when that is to be asked again, in `*due`. Where it has, the
   handle's error says what was waited for. */
int sora_attempt_is_late(struct request *request, double now, double *due);

/* Whether the connection that the attempt was sent on is to be shut at `now`: it has failed as a
   whole, or nothing at all has come on it since. libcurl would go on using one of HTTP/2. While
   others wait on it, a call that had less time than request_timeout takes it from nobody. */
int sora_attempt_spoils_connection(const struct request *request, CURLcode code, double now);

#endif
