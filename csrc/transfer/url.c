#include "transfer/url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transfer/libcurl.h"
#include "transfer/text.h"

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

const char *sora_url_parse_base(const char *text, struct base_url *base) {
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
  const char *failure = code == CURLUE_OUT_OF_MEMORY ? sora_url_no_memory
                        : code != CURLUE_OK          ? "is not a valid URL"
                                                     : check_parts(url, base);
  curl_url_cleanup(url);
  if (failure != NULL)
    return failure;
  size_t authority = (size_t)(strstr(text, "//") + 2 - text); /* a host may be called "v1" */
  length = without_slashes(text, length);
  if (length >= authority + 3 && ends_with(text + authority, length - authority, "/v1"))
    length = without_slashes(text, length - 3);
  base->prefix = malloc(length + 1);
  if (base->prefix == NULL)
    return sora_url_no_memory;
  memcpy(base->prefix, text, length);
  base->prefix[length] = '\0';
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

int sora_url_is_loopback(const char *text) {
  CURLU *url = curl_url();
  char *host = NULL;
  int loopback = url != NULL && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
                 curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK && is_loopback(host);
  curl_free(host);
  curl_url_cleanup(url);
  return loopback;
}

void sora_url_free_base(struct base_url *base) {
  sora_wipe_text(&base->prefix); /* a path can be a secret, too */
  sora_wipe_text(&base->origin);
}

static int is_unreserved(unsigned char byte) {
  return sora_is_alnum(byte) || (byte != '\0' && strchr("-._~", byte) != NULL);
}

const char *sora_url_path_fault(const char *path) {
  if (path[0] != '/' || path[1] == '/')
    return "must begin with one '/'";
  for (; *path != '\0'; path++) {
    if (*path == '#')
      return "must not hold a fragment";
    if (!is_unreserved((unsigned char)*path) && strchr("%/?:@!$&'()*+,;=", *path) == NULL)
      return "holds what has to be percent-encoded"; /* RFC 3986, 3.3 and 3.4 */
  }
  return NULL;
}

char *sora_url_query(const struct base_url *base, const char *id, size_t length) {
  static const char path[] = "/v1/video/query?id=";
  size_t prefix = strlen(base->prefix);
  char *url = malloc(prefix + sizeof path + length * 3);
  if (url == NULL)
    return NULL;
  memcpy(url, base->prefix, prefix);
  memcpy(url + prefix, path, sizeof path - 1);
  char *end = url + prefix + sizeof path - 1;
  for (size_t i = 0; i < length; i++) {
    unsigned char byte = (unsigned char)id[i];
    if (is_unreserved(byte)) {
      *end++ = (char)byte;
    } else {
      *end++ = '%';
      *end++ = "0123456789ABCDEF"[byte >> 4];
      *end++ = "0123456789ABCDEF"[byte & 15];
    }
  }
  *end = '\0';
  return url;
}
