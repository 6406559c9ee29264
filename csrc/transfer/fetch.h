/*
 * What is special to a download: where it waits, what is sent, and its body: what goes into the
 * part, what is looked at first, what is refused.
 *
 * For transfer/ alone.
 */
#ifndef SORA_FETCH_H
#define SORA_FETCH_H

#include <curl/curl.h>
#include <stddef.h>

#include "transfer/content.h"
#include "transfer/part.h"

struct headers;
struct request;

/* The answer's body. */
enum fetch_state {
  FETCH_AWAITED, /* too little has come to say what it is */
  FETCH_TAKEN,   /* it goes into the part */
  FETCH_REFUSED, /* it is no video: the first of it is kept, to be quoted */
  FETCH_AGAIN    /* it is of no use for this part: to be asked for otherwise */
};

struct fetch {
  struct part *part; /* whoever has started the download keeps it; NULL: this is none */
  enum fetch_state state;
  enum content content;    /* of a refused one */
  char *redirect;          /* where the answer leads instead, NULL: nowhere; malloc'ed */
  struct headers *headers; /* that are sent: the request's, with the key, are not always */
  char *queue;             /* that it waits in: its origin, or one apart; malloc'ed */
  int keep_public;         /* it stays out of private networks */
  int proxied;             /* it goes through a proxy, which may be in one itself */
  char refused[64];        /* the last address that was not connected to for that reason */
};

/* Sets on the handle what is special to a download. Returns 0 without memory. */
int sora_fetch_set(struct request *request, CURL *easy);

/* An attempt begins. */
void sora_fetch_begin(struct request *request);

/* Takes bytes of the answer. Returns 0 when the transfer is to end: there is an outcome then. */
int sora_fetch_take(struct request *request, const char *bytes, size_t size);

/* An attempt is over; `complete`: libcurl has seen the end of the answer. */
void sora_fetch_over(struct request *request, long status, int complete);

/* Whether an attempt that libcurl has ended so has brought what is wanted of its answer. */
int sora_fetch_is_answered(const struct request *request, CURLcode code);

/* Frees what came. */
void sora_fetch_forget(struct request *request);

#endif
