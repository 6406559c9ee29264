/*
 * Easy handles: one transfer's worth of libcurl, set up once and used again and again.
 *
 * Everything that does not change between the queries of a client is set when the handle is made.
 * Lua is not known here.
 */
#ifndef SORA_HANDLE_H
#define SORA_HANDLE_H

#include <curl/curl.h>

struct client;
struct settings;

struct handle {
  CURL *easy;
  struct handle *next;         /* in the client's list of idle ones */
  int shared;                  /* has the client's settings: may be kept for the next request */
  char error[CURL_ERROR_SIZE]; /* what libcurl says of a failure, "" when it says nothing */
};

/* A handle with the client's settings, an idle one where there is one; with `own` settings (not
   NULL) a new one with those, for a host that is this machine itself or not. Returns NULL without
   memory. */
struct handle *sora_handle_take(struct client *client, const struct settings *own, int loopback);

/* Gives a handle, which is in no multi handle, back to its client, or frees it when `client` is
 * NULL. */
void sora_handle_release(struct client *client, struct handle *handle);

/* Frees the client's idle handles. */
void sora_handles_free(struct client *client);

/* Whether this libcurl can do that version of HTTP (a CURL_HTTP_VERSION_…). */
int sora_http_version_supported(long version);

#endif
