/*
 * One request: its attempts, from the first byte sent to the outcome.
 *
 * It is in its client's list of live requests until it has ended, then in the queue of finished
 * ones until that is read. Lua is not known here; lua/request.h is what Lua sees.
 */
#ifndef SORA_REQUEST_H
#define SORA_REQUEST_H

#include <curl/curl.h>

#include "transfer/buffer.h"
#include "transfer/client.h"
#include "transfer/kinds.h"
#include "transfer/handle.h"
#include "transfer/headers.h"
#include "transfer/sink.h"

enum request_state {
  REQUEST_NEW,     /* nothing sent */
  REQUEST_RUNNING, /* its easy handle is in the multi handle */
  REQUEST_PAUSED,  /* waits for its next attempt */
  REQUEST_ENDED    /* the outcome stands */
};

struct request {
  struct client *client; /* NULL: it was collected, or the request never got that far */
  struct request *previous, *next;
  struct request *ended_next; /* while the client deals with attempts that have ended, … */
  CURLcode code;              /* … and how this one did */
  enum request_state state;
  int queued;                 /* in its client's queue of finished requests */
  int serial;                 /* key in the client's table of requests, 0: in no table */
  struct handle *handle;      /* while it is live */
  struct buffer body;         /* of the answer; of a download only where that is an error */
  struct curl_slist *headers; /* its own, NULL: the client's */
  struct base_url base;       /* its own, or empty */
  struct timer timer; /* paused: the next attempt; running: when the attempt is looked after */
  double deadline;    /* of all attempts, on sora_now; 0: none */
  double began;       /* when the attempt had a connection, 0: it waits for one */
  int local_port;     /* of that connection */
  unsigned long long answers; /* the client's, then or when this attempt was last looked after */
  size_t head;                /* bytes of the answer's headers */
  double request_timeout, connect_timeout;
  long retries, max_depth, max_body;
  int own_null; /* nulls are decoded as its own value, not the client's */
  int attempts;
  int taken;           /* its result was pushed */
  int download;        /* the body goes into `sink` */
  struct sink sink;    /* closed for a query */
  char validator[128]; /* of the earlier part of a download, "" without one */
  long long total;     /* bytes of the whole file as far as known, below 0: not known */
  struct answer_headers answer;
  /* the outcome of the last attempt */
  enum error_kind kind; /* ERROR_NONE: an answer came, whatever its status */
  int retryable;
  long status;
  double retry_after; /* seconds, below 0: none */
  char message[CURL_ERROR_SIZE + 64];
  size_t id_length;
  char id[]; /* NUL-terminated */
};

/* Whether what a download's server sends, or has sent, is the video, by status and type. */
int sora_request_brings_video(const struct request *request, long status);

/* Puts a request, whose handle is ready or NULL for want of memory, among the live ones and sends
   it. One that was refused already only ends. */
void sora_request_launch(struct request *request, struct client *client);

/* Notes what is wrong. Returns 0. */
int sora_request_refuse(struct request *request, enum error_kind kind, const char *message);

/* Ends a request, as cancelled, that has not ended yet. */
void sora_request_cancel(struct request *request, const char *why);

/* Makes a request that has ended a cancelled one, whatever it brought. */
void sora_request_void(struct request *request, const char *why);

/* Frees what came with the last attempt and overwrites the request's own headers, in which a key
   may be: nothing of the answer can be told after that. The kind and the message of the outcome
   stay. */
void sora_request_forget(struct request *request);

/* Takes a request that has ended out of its client's queue. */
void sora_request_claim(struct request *request);

/* For client.c: an attempt came to its end in libcurl, or never will; a request's timer is due, and
   in no heap any more. */
void sora_request_attempt_ended(struct request *request, CURLcode code);
void sora_request_out_of_memory(struct request *request);
void sora_request_on_timer(struct timer *timer, double now);

/* For handle.c: libcurl's callbacks. They run inside libcurl and never touch Lua. */
size_t sora_request_on_body(char *bytes, size_t size, size_t count, void *request);
size_t sora_request_on_header(char *line, size_t size, size_t count, void *request);
int sora_request_on_connection(void *request, char *address, char *local, int port, int local_port);

#endif
