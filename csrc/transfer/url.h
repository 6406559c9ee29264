/*
 * URLs of tasks: a base URL and a path are checked once, then each task's URL is put together from
 * them.
 *
 * libcurl parses (CURLU); Lua is not known here.
 */
#ifndef SORA_URL_H
#define SORA_URL_H

#include <stddef.h>

struct base_url {
  char *prefix; /* "https://host:port/path", no slash at the end, no "/v1"; malloc'ed */
  char *origin; /* as sora_url_origin has it; malloc'ed */
  size_t path;  /* where the path begins, 0: libcurl is to find that, and may rewrite it */
  int plain;    /* http: whatever is sent can be read on the way */
  int loopback; /* localhost, *.localhost (RFC 6761, 6.3), 127.0.0.0/8 or ::1 */
};

/* Checks `text` and fills `base`; `query_path` (NULL: SORA_QUERY_PATH) is cut off where the URL was
   pasted with it. Returns NULL, or what is wrong with it ("must begin with http:// or https://"),
   or, where memory is short, sora_url_no_memory. */
const char *sora_url_parse_base(const char *text, const char *query_path, struct base_url *base);
extern const char sora_url_no_memory[];

void sora_url_free_base(struct base_url *base);

/* Whether the host of a URL is this machine. */
int sora_url_is_loopback(const char *text);

/* Whether the host of a URL is, as it is written, one of a private network (address.h); one that
   can't be read is. */
int sora_url_is_private(const char *text);

/* The paths behind a base URL where no others are asked for. */
#define SORA_QUERY_PATH "/v1/video/query?id={id}"
#define SORA_CONTENT_PATH "/v1/videos/{id}/content"

/* What is wrong with a path to be put behind a base URL, or NULL: it begins with a slash, and holds
   nothing that RFC 3986 does not allow in a path and a query; "{id}" in that of a task, and there
   it has to be. */
const char *sora_url_path_fault(const char *path, int of_task);

/* The URL of a task, malloc'ed: `path` behind the base URL, in it the id for each "{id}",
   percent-encoded but for RFC 3986's unreserved characters. Returns NULL and sets *url; or *url is
   NULL, and it returns what is wrong with the id in that path, or sora_url_no_memory. */
const char *sora_url_of_task(const struct base_url *base, const char *path, const char *id,
                             size_t length, char **url);

/* The same as a CURLU, for CURLOPT_CURLU; NULL where sora_url_origin has nothing. */
struct Curl_URL *sora_url_site(const char *origin);

/* Where a URL's requests go: "https://host:port", in small letters, malloc'ed. NULL without memory,
   and for what is no URL. */
char *sora_url_origin(const char *text);

#endif
