/*
 * HTTP headers: those of a request, and what is kept of an answer's.
 *
 * Lua is not known here.
 */
#ifndef SORA_HEADERS_H
#define SORA_HEADERS_H

#include <stddef.h>

struct curl_slist;

/* The headers of requests, which share them: whoever holds a reference may read them, and the last
   one to let go overwrites them, since the key is among them. */
struct headers;

/* Empty, with one reference; NULL without memory. */
struct headers *sora_headers_new(void);

/* One more reference to the same; NULL is none. */
struct headers *sora_headers_share(struct headers *headers);

/* Lets go, and sets the pointer to NULL. */
void sora_headers_release(struct headers **headers);

/* Appends "name: value" unless there is one of the name already: who comes first wins. Returns 0
   without memory, and for a value that would end the line. */
int sora_headers_add(struct headers *headers, const char *name, const char *value);

/* libcurl is not to send a header of that name either. Returns 0 without memory. */
int sora_headers_omit(struct headers *headers, const char *name);

/* Adds "Authorization: Bearer " and the key, whether or not it was pasted with its "Bearer ". With
   a blank key none is sent, and none is inherited. Returns as sora_headers_add. */
int sora_headers_add_key(struct headers *headers, const char *key);

/* Adds what `from` (NULL: nothing) has of other names. Returns 0 without memory. */
int sora_headers_inherit(struct headers *headers, const struct headers *from);

/* Whether `name` is a token (RFC 9110, 5.6.2) of bearable length. */
int sora_header_name_valid(const char *name, size_t length);

/* The key that would be sent, without "Bearer "; NULL when there is none, and for no headers. It
 * points into them. */
const char *sora_headers_key(const struct headers *headers);

/* For CURLOPT_HTTPHEADER. */
struct curl_slist *sora_headers_list(const struct headers *headers);

struct answer_headers {
  int version;          /* of HTTP: 1, 2, 3; 0: there was no status line */
  int ranked;           /* which header request_id came from, best 3, none 0 */
  char request_id[128]; /* the service's id for a support ticket */
  char retry_after[48]; /* Retry-After as it came, "" when it did not come */
  char date[48];
  /* of a video alone: */
  int encoded;   /* Content-Encoding, other than identity */
  char type[64]; /* Content-Type, cut where it is longer */
  char etag[128], last_modified[48], content_range[64];
};

/* Takes one line of the head of an answer, perhaps a `video`, as libcurl gives it, not terminated.
   A status line starts anew; returns whether it is one. */
int sora_answer_header(struct answer_headers *answer, const char *line, size_t length, int video);

/* The seconds that Retry-After asks for (RFC 9110, 10.2.3): whole ones or a fraction, an HTTP date,
   or a time of Unix; dates are counted from the answer's own Date, and from `wall_clock` (seconds
   since 1970) where it has none. -1 when there is none or it can't be read; a date that has passed
   is 0, and what would be more than a day is no answer to how long a poll should wait: ten minutes.
 */
double sora_retry_after(const struct answer_headers *answer, long long wall_clock);

#endif
