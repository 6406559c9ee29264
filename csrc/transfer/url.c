#include "transfer/url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transfer/address.h"
#include "transfer/libcurl.h"
#include "transfer/text.h"

#define ID "{id}"

const char sora_url_no_memory[] = "not enough memory";

static int ends_with(const char *text, size_t length, const char *end) {
  size_t size = strlen(end);
  return length >= size && sora_same_letters(text + length - size, end, size);
}

/* `host` as libcurl gives it: an IPv4 address is in its usual form. "localhost" is looked up by
   libcurl itself from 7.78 on, and the names below it (RFC 6761, 6.3) from 7.85 on: before, whoever
   answers for DNS says where these are. */
static int is_loopback(const char *host) {
  struct in_addr address;
  size_t length = strlen(host);
  if (ends_with(host, length, "localhost") && length == strlen("localhost"))
    return sora_libcurl_version() >= 0x074e00;
  if (ends_with(host, length, ".localhost"))
    return sora_libcurl_version() >= 0x075500;
  return strcmp(host, "[::1]") == 0 ||
         (strncmp(host, "127.", 4) == 0 && inet_pton(AF_INET, host, &address) == 1);
}

static const char *check_parts(CURLU *url, struct base_url *base) {
  static const struct {
    CURLUPart part;
    const char *wrong;
  } unwanted[] = {{CURLUPART_USER, "must not hold a user or a password"},
                  {CURLUPART_PASSWORD, "must not hold a user or a password"}};
  CURLUcode code;
  for (size_t i = 0; i < sizeof unwanted / sizeof *unwanted; i++) {
    char *text = NULL;
    code = curl_url_get(url, unwanted[i].part, &text, 0);
    curl_free(text);
    if (code == CURLUE_OK || code == CURLUE_OUT_OF_MEMORY)
      return code == CURLUE_OK ? unwanted[i].wrong : sora_url_no_memory;
  }
  char *host = NULL;
  code = curl_url_get(url, CURLUPART_HOST, &host, 0);
  if (code != CURLUE_OK)
    return code == CURLUE_OUT_OF_MEMORY ? sora_url_no_memory : "has no host";
  base->loopback = is_loopback(host);
  curl_free(host);
  return NULL;
}

static size_t without_slashes(const char *text, size_t length) {
  while (length > 0 && text[length - 1] == '/')
    length--;
  return length;
}

/* Cuts the path of the query off the end of a pasted base URL, and "/v1", with their slashes.
   `after` is where its path may begin: a host may be called "v1". Returns its new length. */
static size_t without_query_path(const char *text, size_t length, size_t after,
                                 const char *query_path) {
  char own[256];
  size_t size = strcspn(query_path, "?{");
  if (size >= sizeof own)
    size = 0;
  memcpy(own, query_path, size);
  own[without_slashes(own, size)] = '\0';
  const char *const ends[] = {own, "/v1/video/query", "/v1"};
  length = without_slashes(text, length);
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
    if (length > after && ends_with(text + after, length - after, ends[i]))
      length = without_slashes(text, length - strlen(ends[i]));
  return length;
}

/* Whether the bytes are "." or "..", which servers take out of a path, with what is before. They do
   so with "%2e", too (RFC 3986, 6.2.2). */
static int is_dots(const char *step, size_t length) {
  size_t dots = 0;
  for (size_t i = 0; i < length; dots++)
    if (step[i] == '.')
      i++;
    else if (length - i >= 3 && sora_same_letters(step + i, "%2e", 3))
      i += 3;
    else
      return 0;
  return dots == 1 || dots == 2;
}

static int has_dots(const char *path) {
  for (size_t length; *path == '/'; path += length) {
    path++;
    length = strcspn(path, "/?");
    if (is_dots(path, length))
      return 1;
  }
  return 0;
}

/* Where in a base URL its path begins, its host being at `host`. 0: libcurl is to parse the whole,
   for it would write the path in another way, without steps of dots or with bytes encoded; or the
   host has a '%', as a zone (RFC 6874), which an origin is without. */
static size_t path_of(const char *prefix, size_t host) {
  size_t path = host + strcspn(prefix + host, "/");
  if (memchr(prefix + host, '%', path - host) != NULL)
    return 0;
  for (const char *at = prefix + path; *at != '\0'; at++)
    if ((unsigned char)*at > 0x7E)
      return 0;
  return has_dots(prefix + path) ? 0 : path;
}

const char *sora_url_parse_base(const char *text, const char *query_path, struct base_url *base) {
  size_t length = strlen(text);
  base->prefix = base->origin = NULL;
  base->plain = sora_starts_with(text, "http://");
  if (!base->plain && !sora_starts_with(text, "https://"))
    return "must begin with http:// or https://";
  if (sora_has_control(text, length) || strchr(text, ' ') != NULL)
    return "contains a blank or a control character";
  if (strpbrk(text, "?#") != NULL) /* an empty one, too, would hide the path that is appended */
    return "must not hold a query or a fragment";
  if (strstr(text, "///") == strstr(text, "//")) /* libcurl would take the path for the host */
    return "has no host";
  CURLU *url = curl_url();
  if (url == NULL)
    return sora_url_no_memory;
  CURLUcode code = curl_url_set(url, CURLUPART_URL, text, CURLU_PATH_AS_IS);
  const char *failure;
  if (code == CURLUE_OUT_OF_MEMORY)
    failure = sora_url_no_memory;
  else if (code != CURLUE_OK)
    failure = "is not a valid URL";
  else
    failure = check_parts(url, base);
  curl_url_cleanup(url);
  if (failure != NULL)
    return failure;
  size_t host = (size_t)(strstr(text, "//") + 2 - text);
  length = without_query_path(text, length, host, query_path ? query_path : SORA_QUERY_PATH);
  base->prefix = malloc(length + 1);
  if (base->prefix == NULL)
    return sora_url_no_memory;
  memcpy(base->prefix, text, length);
  base->prefix[length] = '\0';
  base->path = path_of(base->prefix, host);
  base->origin = sora_url_origin(base->prefix);
  return base->origin == NULL ? sora_url_no_memory : NULL;
}

char *sora_url_origin(const char *text) {
  CURLU *url = curl_url();
  char *scheme = NULL, *host = NULL, *port = NULL, *origin = NULL;
  if (url != NULL && curl_url_set(url, CURLUPART_URL, text, CURLU_PATH_AS_IS) == CURLUE_OK &&
      curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
      curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
      curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK) {
    size_t size = strlen(scheme) + strlen(host) + strlen(port) + sizeof "://:";
    origin = malloc(size);
    if (origin != NULL)
      snprintf(origin, size, "%s://%s:%s", scheme, host, port);
    for (char *byte = origin; byte != NULL && *byte != '\0'; byte++)
      if (*byte >= 'A' && *byte <= 'Z')
        *byte = (char)(*byte + ('a' - 'A'));
  }
  curl_free(scheme);
  curl_free(host);
  curl_free(port);
  curl_url_cleanup(url);
  return origin;
}

CURLU *sora_url_site(const char *origin) {
  CURLU *url = curl_url();
  if (url != NULL && curl_url_set(url, CURLUPART_URL, origin, 0) == CURLUE_OK)
    return url;
  curl_url_cleanup(url);
  return NULL;
}

/* The host, to be freed by curl_free; NULL where there is none. */
static char *host_of(const char *text) {
  CURLU *url = curl_url();
  char *host = NULL;
  if (url != NULL && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK)
    curl_url_get(url, CURLUPART_HOST, &host, 0);
  curl_url_cleanup(url);
  return host;
}

int sora_url_is_loopback(const char *text) {
  char *host = host_of(text);
  int loopback = host != NULL && is_loopback(host);
  curl_free(host);
  return loopback;
}

int sora_url_is_private(const char *text) {
  char *host = host_of(text);
  int private = host == NULL || sora_host_is_private(host);
  curl_free(host);
  return private;
}

void sora_url_free_base(struct base_url *base) {
  sora_wipe_text(&base->prefix); /* a path can be a secret, too */
  sora_wipe_text(&base->origin);
}

static int is_unreserved(unsigned char byte) {
  return sora_is_alnum(byte) || (byte != '\0' && strchr("-._~", byte) != NULL);
}

static int is_hexadecimal(char byte) {
  return byte != '\0' && strchr("0123456789ABCDEFabcdef", byte) != NULL;
}

const char *sora_url_path_fault(const char *path, int of_task) {
  int ids = 0;
  if (path[0] != '/' || path[1] == '/')
    return "must begin with one '/'";
  for (const char *at = path; *at != '\0'; at++) {
    if (of_task && strncmp(at, ID, sizeof ID - 1) == 0) {
      at += sizeof ID - 2;
      ids++;
    } else if (*at == '#') {
      return "must not hold a fragment";
    } else if (*at == '{' || *at == '}') {
      return of_task ? "must hold no braces but those of {id}" : "must hold no braces";
    } else if (*at == '%' && !(is_hexadecimal(at[1]) && is_hexadecimal(at[2]))) {
      return "has a '%' without two hexadecimal digits";
    } else if (!is_unreserved((unsigned char)*at) && strchr("%/?:@!$&'()*+,;=", *at) == NULL) {
      return "holds what has to be percent-encoded"; /* RFC 3986, 3.3 and 3.4 */
    }
  }
  if (of_task && ids == 0)
    return "must say where the task's id belongs: {id}";
  return has_dots(path) ? "must not hold '.' or '..' as a step" : NULL;
}

/* Writes the id to `end`, percent-encoded but for unreserved characters. Returns the new end. */
static char *put_id(char *end, const char *id, size_t length) {
  static const char digits[] = "0123456789ABCDEF";
  for (size_t i = 0; i < length; i++) {
    unsigned char byte = (unsigned char)id[i];
    if (is_unreserved(byte)) {
      *end++ = (char)byte;
    } else {
      *end++ = '%';
      *end++ = digits[byte >> 4];
      *end++ = digits[byte & 15];
    }
  }
  return end;
}

static size_t count_ids(const char *path) {
  size_t count = 0;
  while ((path = strstr(path, ID)) != NULL) {
    path += sizeof ID - 1;
    count++;
  }
  return count;
}

const char *sora_url_of_task(const struct base_url *base, const char *path, const char *id,
                             size_t length, char **url) {
  size_t prefix = strlen(base->prefix);
  *url = malloc(prefix + strlen(path) + count_ids(path) * length * 3 + 1);
  if (*url == NULL)
    return sora_url_no_memory;
  memcpy(*url, base->prefix, prefix);
  char *end = *url + prefix;
  for (const char *place; (place = strstr(path, ID)) != NULL; path = place + sizeof ID - 1) {
    memcpy(end, path, (size_t)(place - path));
    end = put_id(end + (place - path), id, length);
  }
  strcpy(end, path);
  if (!has_dots(*url + prefix))
    return NULL;
  free(*url);
  *url = NULL;
  return "would lead to another path than its own";
}
