/*
 * HTTP headers: those of a request, and what is kept of an answer's.
 *
 * libcurl's lists; Lua is not known here.
 */
#ifndef SORA_HEADERS_H
#define SORA_HEADERS_H

#include <curl/curl.h>
#include <stddef.h>

struct answer_headers {
  int html;             /* Content-Type: text/html */
  int text;             /* any text, JSON or XML: no video */
  int ranked;           /* which header request_id came from, best 3, none 0 */
  char request_id[128]; /* the service's id for a support ticket */
  char retry_after[48]; /* Retry-After as it came, "" when it did not come */
  char etag[128], last_modified[48], content_range[64];
};

/* Whether `name` is a token (RFC 9110, 5.1) of bearable length. */
int sora_header_name_valid(const char *name, size_t length);

/* Appends "name: value" unless the list has the name already: who comes first wins.
   Returns 0 without memory. */
int sora_headers_add(struct curl_slist **list, const char *name, const char *value);

/* The key that the list would send, without "Bearer "; NULL when there is none. It points into the
 * list. */
const char *sora_headers_key(const struct curl_slist *list);

/* Overwrites the list's bytes with zeros (they hold the key), then frees it. */
void sora_headers_free(struct curl_slist *list);

/* Takes one line of an answer's head as libcurl gives it, not terminated. A status line starts
 * anew. */
void sora_answer_header(struct answer_headers *answer, const char *line, size_t length);

/* The seconds that Retry-After asks for, from seconds or an HTTP date (RFC 9110, 10.2.3);
   `wall_clock` is time(NULL). -1 when there is none or it can't be read; a date that has passed is
   0. */
double sora_retry_after(const struct answer_headers *answer, long long wall_clock);

#endif
