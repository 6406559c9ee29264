/*
 * Arrays that grow by doubling. Must not know what is in them.
 */
#ifndef SORA_ARRAY_H
#define SORA_ARRAY_H

#include <stddef.h>

/* Returns the array, moved perhaps, with room for at least `wanted` elements of `size` bytes, and
   sets *capacity to what it has room for. `list` is malloc'ed, or NULL with a capacity of 0.
   Returns NULL without memory: the array is then as it was. */
void *sora_array_reserve(void *list, size_t *capacity, size_t wanted, size_t size);

#endif
