/*
 * libFuzzer's target: the head of an answer, a header a line, and what its Retry-After asks for.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "transfer/headers.h"
#include "transfer/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds) {
  if (!holds)
    abort();
}

/* A kept field is text of one line that ends within its size. */
static void check_field(const char *field, size_t size) {
  check(memchr(field, '\0', size) != NULL);
  check(!sora_has_control(field, strlen(field)));
}

#define CHECK_FIELD(field) check_field(field, sizeof(field))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct answer_headers answer = {0};
  while (size > 0) {
    const uint8_t *end = memchr(data, '\n', size);
    size_t length = end == NULL ? size : (size_t)(end - data) + 1;
    char *line = malloc(length); /* of just that size: reading on is seen */
    check(line != NULL);
    memcpy(line, data, length);
    sora_answer_header(&answer, line, length, 1);
    free(line);
    data += length;
    size -= length;
  }
  CHECK_FIELD(answer.request_id);
  CHECK_FIELD(answer.retry_after);
  CHECK_FIELD(answer.etag);
  CHECK_FIELD(answer.last_modified);
  CHECK_FIELD(answer.content_range);
  double seconds = sora_retry_after(&answer, 1763800000);
  check(seconds == -1 || (seconds >= 0 && isfinite(seconds)));
  return 0;
}
