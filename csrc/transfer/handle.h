/*
 * Easy handles: one transfer's worth of libcurl, with everything that stays the same from one
 * request to the next. Lua is not known here.
 */
#ifndef SORA_HANDLE_H
#define SORA_HANDLE_H

#include <curl/curl.h>

struct host;
struct request;
struct settings;

struct handle {
  CURL *easy;
  struct handle *next;         /* among the idle ones */
  int shared;                  /* has the client's settings */
  int worn;                    /* libcurl keeps what is freed in it: see sora_handle_watch */
  int narrow;                  /* trusts the system's folder alone, without its bundle */
  char error[CURL_ERROR_SIZE]; /* what libcurl says of a failure, "" when it says nothing */
  struct request *request; /* that it is at work for: libcurl's callbacks are given the handle */
  /* what is set on it, since to set an option costs 50 to 250 instructions: */
  int prepared;             /* the callbacks */
  const struct host *aimed; /* at this host's site; NULL: at a whole URL, or nothing */
  const struct curl_slist *headers;
  long connect_timeout; /* milliseconds, 0: not set */
};

/* Handles that wait for the next request. All zero at first. */
struct handles {
  struct handle *idle;
  int count;
};

/* A handle with those settings, an idle one where `shared` says that they are the client's. `share`
   may be NULL. Returns NULL without memory. */
struct handle *sora_handle_take(struct handles *handles, const struct settings *settings,
                                int shared, CURLSH *share);

/* Aims a handle at a URL of that host, whose path begins at `path`; 0: libcurl is to find that
   itself. It parses a URL, puts it together again and writes it twice, letter by letter in part:
   to be given the site parsed and the path apart spares it 20,000 instructions a query. A proxy is
   asked for the whole URL, which libcurl has to write then. Returns 0 without memory. */
int sora_handle_aim(struct handle *handle, const struct settings *settings, const struct host *host,
                    const char *url, size_t path);

/* To be called when the first line of an answer has come.
   From 7.84.0 to 8.0.1 libcurl keeps a pointer to the last answer's headers, which are freed by
   then (curl pull request 11103), and curl_easy_reset does not help. It follows the pointer when
   the next line goes on with a line before. So in a handle that has served before that line is
   looked at before libcurl does (CURLOPT_DEBUGFUNCTION): one that goes on with nothing ends the
   attempt, unread. Which version of HTTP the line names says nothing: a server may write anything.
 */
void sora_handle_watch(struct handle *handle);

/* Gives back a handle, which is in no multi handle. It is kept for the next request where nothing
   of the last one can stay in it: `sent` is how often that was sent. Before 8.17.0 libcurl keeps
   the number of times that it has sent a request again by itself, of which it allows five in the
   life of a handle. A new handle costs some 14,000 instructions. */
void sora_handle_give_back(struct handles *handles, struct handle *handle, int sent);

/* Completes a client's settings, in which no proxy was given, by what the environment says of
   proxies: it is asked once, libcurl would ask for each transfer. Returns 0 without memory. */
int sora_handle_obey_environment(struct settings *settings);

/* Whether a proxy may be in the way. */
int sora_handle_uses_proxy(const struct settings *settings);

/* The proxy that a URL would go through, "" for none, as libcurl finds it ("CURLOPT_PROXY"), but
   for $no_proxy. `plain`: the URL is of http. */
const char *sora_handle_proxy(const struct settings *settings, int plain);

/* Frees the idle ones. */
void sora_handles_free(struct handles *handles);

/* To be called when a certificate was refused. Where the handle trusts the system's folder of
   authorities alone, handles trust its bundle as well from now on, which costs some 15 ms for each
   new connection: returns 1, and the same is to be tried again with another handle. */
int sora_handle_trust_bundle(const struct handle *handle);

#endif
