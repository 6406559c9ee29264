#include "transfer/headers.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "transfer/url.h"

int sora_header_name_valid(const char *name, size_t length) {
  if (length > LONGEST_TEXT)
    return 0;
  for (size_t i = 0; i < length; i++) {
    unsigned char byte = (unsigned char)name[i];
    if (byte <= 0x20 || byte >= 0x7F || strchr("\"(),/:;<=>?@[\\]{}", byte) != NULL)
      return 0;
  }
  return length > 0;
}

static const char *find(const struct curl_slist *list, const char *name) {
  size_t length = strlen(name);
  for (; list != NULL; list = list->next)
    if (strncasecmp(list->data, name, length) == 0 &&
        (list->data[length] == ':' || list->data[length] == ';'))
      return list->data + length;
  return NULL;
}

const char *sora_headers_key(const struct curl_slist *list) {
  const char *found = find(list, "Authorization");
  if (found == NULL || *found != ':')
    return NULL;
  found += 1 + strspn(found + 1, " ");
  return strncasecmp(found, "Bearer ", 7) == 0 ? found + 7 : found;
}

int sora_headers_add(struct curl_slist **list, const char *name, const char *value) {
  if (find(*list, name) != NULL)
    return 1;
  /* CURLOPT_HTTPHEADER: "Name:" would take a header away, "Name;" sends it without a value */
  const char *separator = *value ? ": " : ";";
  size_t size = strlen(name) + strlen(separator) + strlen(value) + 1;
  char *line = malloc(size);
  if (line == NULL)
    return 0;
  strcpy(line, name);
  strcat(line, separator);
  strcat(line, value);
  struct curl_slist *longer = curl_slist_append(*list, line);
  explicit_bzero(line, size);
  free(line);
  if (longer == NULL)
    return 0;
  *list = longer;
  return 1;
}

void sora_headers_free(struct curl_slist *list) {
  for (struct curl_slist *node = list; node != NULL; node = node->next)
    explicit_bzero(node->data, strlen(node->data));
  curl_slist_free_all(list);
}

/* Copies the value into `field`, trimmed; one that is too long or not plain text is left out. */
static void keep(char *field, size_t size, const char *value, size_t length) {
  while (length > 0 && (*value == ' ' || *value == '\t'))
    value++, length--;
  while (length > 0 && strchr(" \t\r\n", value[length - 1]) != NULL)
    length--;
  if (length >= size || sora_has_control(value, length))
    return;
  memcpy(field, value, length);
  field[length] = '\0';
}

static void keep_request_id(struct answer_headers *answer, int rank, const char *value,
                            size_t length) {
  if (rank <= answer->ranked)
    return;
  answer->ranked = rank;
  keep(answer->request_id, sizeof answer->request_id, value, length);
}

void sora_answer_header(struct answer_headers *answer, const char *line, size_t length) {
  if (length >= 5 && strncasecmp(line, "HTTP/", 5) == 0) {
    memset(answer, 0, sizeof *answer);
    return;
  }
  const char *colon = memchr(line, ':', length);
  if (colon == NULL)
    return;
  size_t name = (size_t)(colon - line), rest = length - name - 1;
  const char *value = colon + 1;
#define IS(text) (name == sizeof(text) - 1 && strncasecmp(line, text, name) == 0)
#define KEEP(field) keep(answer->field, sizeof answer->field, value, rest)
  if (IS("content-type")) {
    char type[64] = "";
    keep(type, sizeof type, value, rest < sizeof type - 1 ? rest : sizeof type - 1);
    answer->html = strncasecmp(type, "text/html", 9) == 0;
    answer->text = strncasecmp(type, "text/", 5) == 0 ||
                   strncasecmp(type, "application/json", 16) == 0 ||
                   strncasecmp(type, "application/xml", 15) == 0;
  } else if (IS("retry-after"))
    KEEP(retry_after);
  else if (IS("x-oneapi-request-id"))
    keep_request_id(answer, 3, value, rest);
  else if (IS("x-request-id"))
    keep_request_id(answer, 2, value, rest);
  else if (IS("cf-ray"))
    keep_request_id(answer, 1, value, rest);
  else if (IS("etag"))
    KEEP(etag);
  else if (IS("last-modified"))
    KEEP(last_modified);
  else if (IS("content-range"))
    KEEP(content_range);
#undef IS
#undef KEEP
}

double sora_retry_after(const struct answer_headers *answer, long long wall_clock) {
  const char *text = answer->retry_after;
  size_t length = strlen(text);
  if (length == 0)
    return -1;
  if (strspn(text, "0123456789") == length)
    return length > 9 ? 1e9 : (double)strtol(text, NULL, 10);
  time_t date = curl_getdate(text, NULL);
  if (date == (time_t)-1)
    return -1;
  return date > wall_clock ? (double)(date - wall_clock) : 0;
}
