#include "transfer/buffer.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "transfer/array.h"

enum { FIRST_CAPACITY = 4096 };

static int reserve(struct buffer *buffer, size_t extra) {
  if (extra >= SIZE_MAX / 2 - buffer->length)
    return 0;
  size_t wanted = buffer->length + extra + 1;
  if (wanted < FIRST_CAPACITY)
    wanted = FIRST_CAPACITY;
  char *data = sora_array_reserve(buffer->data, &buffer->capacity, wanted, 1);
  if (data != NULL)
    buffer->data = data;
  return data != NULL;
}

int sora_buffer_append(struct buffer *buffer, const void *bytes, size_t size) {
  if (!reserve(buffer, size))
    return 0;
  memcpy(buffer->data + buffer->length, bytes, size);
  buffer->length += size;
  buffer->data[buffer->length] = '\0';
  return 1;
}

void sora_buffer_clear(struct buffer *buffer) {
  buffer->length = 0;
  if (buffer->data != NULL)
    buffer->data[0] = '\0';
}

void sora_buffer_free(struct buffer *buffer) {
  free(buffer->data);
  buffer->data = NULL;
  buffer->length = buffer->capacity = 0;
}
