#include "transfer/headers.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transfer/text.h"

struct headers {
  int references;
  struct curl_slist *list;
};

struct headers *sora_headers_new(void) {
  struct headers *headers = calloc(1, sizeof *headers);
  if (headers != NULL)
    headers->references = 1;
  return headers;
}

struct headers *sora_headers_share(struct headers *headers) {
  if (headers != NULL)
    headers->references++;
  return headers;
}

void sora_headers_release(struct headers **reference) {
  struct headers *headers = *reference;
  *reference = NULL;
  if (headers == NULL || --headers->references > 0)
    return;
  for (struct curl_slist *node = headers->list; node != NULL; node = node->next)
    explicit_bzero(node->data, strlen(node->data));
  curl_slist_free_all(headers->list);
  free(headers);
}

struct curl_slist *sora_headers_list(const struct headers *headers) {
  return headers->list;
}

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

/* What follows the name of `length` bytes in a line of the list, NULL: there is none. */
static const char *find(const struct curl_slist *list, const char *name, size_t length) {
  for (; list != NULL; list = list->next)
    if (strlen(list->data) > length && sora_same_letters(list->data, name, length) &&
        (list->data[length] == ':' || list->data[length] == ';'))
      return list->data + length;
  return NULL;
}

const char *sora_headers_key(const struct headers *headers) {
  const char *found = headers == NULL ? NULL : find(headers->list, "Authorization", 13);
  if (found == NULL || *found != ':')
    return NULL;
  found += 1 + strspn(found + 1, " ");
  if (sora_starts_with(found, "Bearer "))
    found += 7;
  return *found != '\0' ? found : NULL;
}

static int append(struct headers *headers, const char *line) {
  struct curl_slist *longer = curl_slist_append(headers->list, line);
  if (longer == NULL)
    return 0;
  headers->list = longer;
  return 1;
}

int sora_headers_omit(struct headers *headers, const char *name) {
  char line[64];
  snprintf(line, sizeof line, "%s:", name); /* see CURLOPT_HTTPHEADER */
  return append(headers, line);
}

/* Appends the line "name: scheme value" with the first `length` bytes of the value. */
static int add(struct headers *headers, const char *name, const char *scheme, const char *value,
               size_t length) {
  if (find(headers->list, name, strlen(name)) != NULL)
    return 1;
  if (sora_text_fault(value, length) != NULL)
    return 0;
  size_t size = strlen(name) + strlen(scheme) + length + sizeof ": ";
  char *line = malloc(size);
  if (line == NULL)
    return 0;
  /* CURLOPT_HTTPHEADER: "Name:" would take a header away, "Name;" sends it without a value */
  snprintf(line, size, "%s%s%s%.*s", name, length > 0 ? ": " : ";", scheme, (int)length, value);
  int added = append(headers, line);
  explicit_bzero(line, size);
  free(line);
  return added;
}

int sora_headers_add(struct headers *headers, const char *name, const char *value) {
  return add(headers, name, "", value, strlen(value));
}

int sora_headers_add_key(struct headers *headers, const char *key) {
  key += strspn(key, " ");
  if (sora_starts_with(key, "Bearer "))
    key += 7 + strspn(key + 7, " ");
  size_t length = strlen(key);
  while (length > 0 && key[length - 1] == ' ')
    length--;
  if (length > 0)
    return add(headers, "Authorization", "Bearer ", key, length);
  return find(headers->list, "Authorization", 13) != NULL ||
         sora_headers_omit(headers, "Authorization");
}

int sora_headers_inherit(struct headers *headers, const struct headers *from) {
  for (const struct curl_slist *node = from ? from->list : NULL; node != NULL; node = node->next)
    if (find(headers->list, node->data, strcspn(node->data, ":;")) == NULL &&
        !append(headers, node->data))
      return 0;
  return 1;
}

/* ---- an answer's ---- */

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

static void keep_type(struct answer_headers *answer, const char *value, size_t length) {
  size_t most = sizeof answer->type - 1;
  keep(answer->type, sizeof answer->type, value, length < most ? length : most);
}

static void keep_coding(struct answer_headers *answer, const char *value, size_t length) {
  char coding[16] = "other";
  keep(coding, sizeof coding, value, length);
  answer->encoded = *coding != '\0' && !sora_starts_with(coding, "identity");
}

#define IS(text) (name == sizeof(text) - 1 && sora_same_letters(line, text, name))
#define KEEP(field) keep(answer->field, sizeof answer->field, value, rest)

/* A header line whose name has `name` bytes, and whose value begins at `value`. */
static void keep_of_video(struct answer_headers *answer, const char *line, size_t name,
                          const char *value, size_t rest) {
  if (IS("content-type"))
    keep_type(answer, value, rest);
  else if (IS("content-encoding"))
    keep_coding(answer, value, rest);
  else if (IS("etag"))
    KEEP(etag);
  else if (IS("last-modified"))
    KEEP(last_modified);
  else if (IS("content-range"))
    KEEP(content_range);
}

int sora_answer_header(struct answer_headers *answer, const char *line, size_t length, int video) {
  if (length >= 6 && sora_same_letters(line, "HTTP/", 5)) {
    memset(answer, 0, sizeof *answer);
    answer->version = line[5] - '0';
    return 1;
  }
  const char *colon = memchr(line, ':', length);
  if (colon == NULL)
    return 0;
  size_t name = (size_t)(colon - line), rest = length - name - 1;
  const char *value = colon + 1;
  if (IS("retry-after"))
    KEEP(retry_after);
  else if (IS("date"))
    KEEP(date);
  else if (IS("x-oneapi-request-id"))
    keep_request_id(answer, 3, value, rest);
  else if (IS("x-request-id"))
    keep_request_id(answer, 2, value, rest);
  else if (IS("cf-ray"))
    keep_request_id(answer, 1, value, rest);
  else if (video)
    keep_of_video(answer, line, name, value, rest);
  return 0;
}

#undef IS
#undef KEEP

static const double A_DAY = 86400, ABSURD = 600, UNIX_TIME = 1e9;

/* Digits with at most one point in between; -1 for anything else. By hand: strtod obeys the locale.
 */
static double read_decimal(const char *text) {
  double number = 0, unit = 1;
  size_t whole = strspn(text, "0123456789");
  const char *end = text + strlen(text);
  for (size_t i = 0; i < whole; i++)
    number = number * 10 + (text[i] - '0');
  if (text + whole == end)
    return whole > 0 ? number : -1;
  const char *digits = text + whole + 1;
  if (whole == 0 || text[whole] != '.' || digits + strspn(digits, "0123456789") != end)
    return -1;
  for (; digits < end; digits++)
    number += (*digits - '0') * (unit /= 10);
  return number;
}

double sora_retry_after(const struct answer_headers *answer, long long wall_clock) {
  const char *text = answer->retry_after;
  if (*text == '\0')
    return -1;
  double seconds = read_decimal(text);
  if (seconds < 0 || seconds >= UNIX_TIME) {
    long long there = (long long)curl_getdate(answer->date, NULL);
    long long date = wall_clock + (long long)A_DAY + 1; /* of a number beyond all times: too late */
    if (seconds < 0)
      date = (long long)curl_getdate(text, NULL);
    else if (seconds < 1e12)
      date = (long long)seconds;
    if (date == -1)
      return -1;
    seconds = (double)(date - (there == -1 ? wall_clock : there));
  }
  if (seconds > A_DAY)
    return ABSURD;
  return seconds > 0 ? seconds : 0;
}
