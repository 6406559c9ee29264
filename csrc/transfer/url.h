/*
 * URLs of queries: a base URL is checked once, then each task's URL is put together from it.
 *
 * libcurl parses (CURLU); Lua is not known here.
 */
#ifndef SORA_URL_H
#define SORA_URL_H

#include <stddef.h>

struct base_url {
  char *prefix; /* "https://host:port/path", no slash at the end, no "/v1"; malloc'ed */
  char *origin; /* as sora_url_origin has it; malloc'ed */
  int plain;    /* http: whatever is sent can be read on the way */
  int loopback; /* localhost, *.localhost (RFC 6761, 6.3), 127.0.0.0/8 or ::1 */
};

/* Checks `text` and fills `base`. Returns NULL, or what is wrong with it ("must begin with http://
   or https://"), or, where memory is short, sora_url_no_memory. */
const char *sora_url_parse_base(const char *text, struct base_url *base);
extern const char sora_url_no_memory[];

void sora_url_free_base(struct base_url *base);

/* Whether the host of a URL is this machine. */
int sora_url_is_loopback(const char *text);

/* What is wrong with a path, perhaps with a query, to be put behind a base URL, or NULL. */
const char *sora_url_path_fault(const char *path);

/* The URL of one query: "{prefix}/v1/video/query?id={id, percent-encoded but for RFC 3986's
   unreserved characters}". Returns it malloc'ed, or NULL without memory. */
char *sora_url_query(const struct base_url *base, const char *id, size_t length);

/* Where a URL's requests go: "https://host:port", in small letters, malloc'ed. NULL without memory,
   and for what is no URL. */
char *sora_url_origin(const char *text);

#endif
