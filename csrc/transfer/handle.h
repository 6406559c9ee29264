/*
 * Easy handles: one transfer's worth of libcurl, with everything that stays the same from one
 * request to the next. Lua is not known here.
 */
#ifndef SORA_HANDLE_H
#define SORA_HANDLE_H

#include <curl/curl.h>

struct settings;

struct handle {
  CURL *easy;
  struct handle *next;         /* among the idle ones */
  int shared;                  /* has the client's settings */
  char error[CURL_ERROR_SIZE]; /* what libcurl says of a failure, "" when it says nothing */
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

/* Gives back a handle, which is in no multi handle. It is kept for the next request where nothing
   of the last transfer can stay in it: before 8.2 libcurl keeps a pointer to the headers of the
   last answer, which are freed (curl pull request 11103), before 8.20 the number of times that it
   has sent a request again, of which it allows five in the life of a handle: `sent` is how often
   the last one was. */
void sora_handle_give_back(struct handles *handles, struct handle *handle, int sent);

/* Frees the idle ones. */
void sora_handles_free(struct handles *handles);

/* The system's folder of authorities does not know an issuer: from now on its bundle is read as
   well, which costs some 35 ms for each new connection. Returns 1 when that may help, so that the
   same is to be tried again; 0 where it has been done, or nothing was left out. */
int sora_handle_trust_bundle(const struct settings *settings);

#endif
