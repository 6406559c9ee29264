/*
 * Growable bytes: an answer's body while it arrives.
 *
 * Knows neither Lua nor curl. A buffer that is all zero is valid and empty.
 */
#ifndef SORA_BUFFER_H
#define SORA_BUFFER_H

#include <stddef.h>

struct buffer {
  char *data; /* ends with a NUL behind `length` once anything was appended */
  size_t length, capacity;
};

/* Appends `size` bytes. Returns 0 (and the buffer is as it was) when there is no memory for them.
 */
int sora_buffer_append(struct buffer *buffer, const void *bytes, size_t size);

/* Empties it; the memory stays for what comes next. */
void sora_buffer_clear(struct buffer *buffer);

/* Gives back the memory. Idempotent. */
void sora_buffer_free(struct buffer *buffer);

#endif
