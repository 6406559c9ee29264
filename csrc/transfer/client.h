/*
 * A client and its requests, as the rest of the module sees them: what is behind these types is
 * known in transfer/ alone. Neither Lua nor curl is known here.
 *
 * A client owns everything that requests share: connections, TLS sessions, the queue of each host,
 * settings. Nothing here calls back: who has started a request steps the client until
 * sora_client_next_ended gives the request out.
 */
#ifndef SORA_CLIENT_H
#define SORA_CLIENT_H

#include <stddef.h>

#include "transfer/content.h"
#include "transfer/headers.h"
#include "transfer/kinds.h"
#include "transfer/secrets.h"
#include "transfer/settings.h"
#include "transfer/url.h"

struct client;
struct part;
struct form;
struct request;

struct client_counts {
  unsigned long long requests, attempts, connections; /* ever */
  long in_flight, queued, open_connections;           /* now */
};

/* ---- clients ---- */

/* Closed, but valid; NULL without memory. */
struct client *sora_client_make(void);

/* Opens it with copies of the settings; `base` and `headers` are taken over. Returns 0 without
   memory, and the client stays closed. */
int sora_client_configure(struct client *client, const struct settings *settings,
                          struct base_url *base, struct headers *headers);

int sora_client_is_closed(const struct client *client);

/* What the client sends requests with. Settings and headers are NULL once it is closed; who wants
   to keep them takes a reference (sora_settings_share, sora_headers_share). */
struct settings *sora_client_settings(const struct client *client);
const struct base_url *sora_client_base(const struct client *client);
struct headers *sora_client_headers(const struct client *client);
void sora_client_count(const struct client *client, struct client_counts *counts);

/* To be called before anything else is done with a client or its requests. In a child of fork the
   connections are the parent's: what was in flight has ended as cancelled when this returns, and
   not a byte of it reached the parent's servers. */
void sora_client_enter(struct client *client);

/* The one descriptor to poll, readable when sora_client_step has something to do; -1: this build
   has none, or descriptors or memory are short. */
int sora_client_fd(struct client *client);

/* Does what is due; waits for it up to `seconds` (0: not at all, below 0: without limit). Returns
   0, with errno, when a signal ended the wait. */
int sora_client_step(struct client *client, double seconds);

/* Sends what was started, as much as a step would, and looks at nothing that has come before. What
   is due then, sora_client_announce has to tell. */
void sora_client_send(struct client *client);

/* Seconds until something is due without the descriptor's being ready, 0: now, below 0: nothing
   is. */
double sora_client_timeout(const struct client *client);

/* Whether stepping it can bring anything: it has requests that have not ended. */
int sora_client_is_busy(const struct client *client);

/* Whether a request has ended, or has a report, that was not given out yet: by
   sora_client_next_ended, sora_client_next_reported. */
int sora_client_has_news(const struct client *client);

/* Makes the descriptor readable where something is due, or has ended, between two steps, such as by
   a cancel; in `within` seconds at the latest (below 0: only then). */
void sora_client_announce(struct client *client, double within);

/* Ends all that has not ended, as cancelled. */
void sora_client_cancel(struct client *client, const char *why);

/* Why no request of a closed client brings anything. */
extern const char sora_client_closed[];

/* Ends every request as cancelled, those included that have ended and were not taken, overwrites
   all that may be a secret, and gives back what can't be used any more. Idempotent. */
void sora_client_close(struct client *client);

/* Closes and frees it. Its requests stay, ended, and know it no more. */
void sora_client_free(struct client *client);

/* ---- requests ---- */

/* What bounds a request, in all of its attempts. */
struct request_limits {
  double deadline; /* on sora_now, 0: none; libcurl 7.80 and later send nothing after it */
  double request_timeout, connect_timeout; /* seconds, of each attempt */
  long retries, max_depth, max_body;
};

/* With nothing acquired, for the task of that id; NULL without memory. */
struct request *sora_request_make(const char *id, size_t length);

/* Frees it. One that has not ended is cancelled first. */
void sora_request_free(struct request *request);

/* Says of a query that was started with the client's own URL, headers and settings, unobserved,
   that it can be renewed when it has ended. */
void sora_request_allow_renewal(struct request *request);
int sora_request_is_renewable(const struct request *request);

/* Makes one that has ended and was taken as if it were new, for the task of that id, with the
   limits that it had: what a new one costs without its making. Returns 0, with nothing changed,
   where it can't be renewed. */
int sora_request_renew(struct request *request, const char *id, size_t length);

struct request_limits *sora_request_limits(struct request *request);

/* Settings of its own in place of the client's: a copy. The same for headers: shared. */
int sora_request_set_settings(struct request *request, const struct settings *settings);
void sora_request_set_headers(struct request *request, struct headers *headers);

/* Asks for the task at that path behind the base URL. Returns NULL, or what sora_url_of_task
   does. */
const char *sora_request_set_query(struct request *request, const struct base_url *base,
                                   const char *path);

/* Fetches the URL into a part, which the caller keeps: what is missing there of the video at
   `video`, whose redirects have led to the URL. A URL of the base's origin, the service's own, gets
   the request's headers, with the key; any other gets none of these. `keep_public`: at any other
   origin nothing is connected to in a private network (address.h) or, behind a proxy, which alone
   knows where, to no URL that names one. Returns 0 without memory. What is wrong with the part ends
   the request when it is started. */
struct fetch_source {
  const char *url, *video;
  struct part *part;
  int keep_public;
};
int sora_request_set_fetch(struct request *request, const struct base_url *base,
                           const struct fetch_source *source);

/* Any other function of the service: path behind the base URL, encoded already, with its query. The
   strings are copied, the form is taken over. Returns 0 without memory. */
struct call {
  const char *method, *path; /* "POST", "/v1/video/create" */
  const char *body;          /* NULL: none */
  size_t body_length;
  struct form *form; /* in its place; NULL: none */
  int once; /* it makes something: on a new connection of its own, which nobody uses later */
};
int sora_request_set_call(struct request *request, const struct base_url *base,
                          const struct call *call);

/* Has a request that was not started yet end with this error as soon as it is started. */
void sora_request_refuse(struct request *request, enum error_kind kind, const char *message);

/* Starts it; `origin` says which host's queue it waits in; of a download, which knows its own,
   NULL. It has to be in the client's hands from then on until it ends. Returns 0, and does nothing,
   with a closed client. */
int sora_client_start(struct client *client, struct request *request, const char *origin);

/* Ends a request, as cancelled, that has not ended yet. */
void sora_request_cancel(struct request *request, const char *why);

/* The next request that has ended, which is told once, or NULL. */
struct request *sora_client_next_ended(struct client *client);

/* Takes a request that has ended out of its client's hands, before it is read: until then one whose
   client is closed becomes a cancelled one, whatever it brought, since the key is gone that would
   have to be cut out of what it says. */
void sora_request_take(struct request *request);

/* One attempt that is over, of a request that is observed. Times are seconds, below 0: it never
   came to that. */
struct attempt_report {
  int number;                        /* 1: the first of the request */
  enum error_kind kind;              /* ERROR_NONE: an answer came, whatever its status */
  long status;                       /* HTTP, 0: none came */
  double queued;                     /* before the attempt, until a connection was free */
  double lookup, connect, handshake; /* each phase by itself; of a new connection alone */
  double first_byte, total;          /* from the attempt's beginning */
  double next_in;                    /* until the next attempt, below 0: there is none */
  long long bytes;                   /* of the answer, headers included */
  long version;                      /* of HTTP, times ten; 0: no answer came */
  int reused;                        /* it was sent on a connection that was there before */
};

/* Has the attempts of a request reported that was not started. */
void sora_request_observe(struct request *request);

/* The next request that has a report and goes on, which is told once, or NULL. */
struct request *sora_client_next_reported(struct client *client);

/* Takes the next report of a request; its last attempt's only where `ended`. Returns 0 where there
   is none. */
int sora_request_next_report(struct request *request, int ended, struct attempt_report *told);

int sora_request_has_ended(const struct request *request);
const char *sora_request_state(const struct request *request); /* a word */
struct client *sora_request_client(const struct request *request);

/* A number for whoever starts requests: above 0, and another one each time. */
int sora_client_next_tag(struct client *client);
int sora_request_tag(const struct request *request);
void sora_request_set_tag(struct request *request, int tag);

/* What a request that has ended brought. The pointers hold until sora_request_forget. */
struct request_result {
  enum error_kind kind; /* ERROR_NONE: an answer came, whatever its status */
  const char *message;
  int retryable;
  long status;
  double retry_after; /* seconds, below 0: none */
  int attempts;
  const char *id;
  size_t id_length;
  const char *relay; /* the base URL that was asked, not NUL-terminated */
  size_t relay_length;
  const char *body; /* NUL-terminated, NULL: none */
  size_t body_length;
  const char *request_id; /* "" for none */
  struct secrets secrets; /* that any of these texts may hold */
  long max_depth, max_body;
  int download;             /* then these count: */
  int again;                /* to be asked once more, otherwise: the part knows how */
  int refused;              /* it is no video but … */
  enum content content;     /* … that, or a status of HTTP */
  const char *redirect;     /* where it leads instead, NULL: nowhere */
  int call, sent;           /* it is a call; some of it may have reached the service */
  const char *method, *url; /* NULL without memory for it */
};
void sora_request_result(const struct request *request, struct request_result *result);

/* Frees what came and overwrites the headers: nothing of the answer can be told after that. The
   kind and the message of the outcome stay. */
void sora_request_forget(struct request *request);

#endif
