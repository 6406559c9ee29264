#include "transfer/array.h"

#include <stdint.h>
#include <stdlib.h>

enum { CAPACITY_FIRST = 16 };

void *sora_array_reserve(void *list, size_t *capacity, size_t wanted, size_t size) {
  if (wanted <= *capacity)
    return list;
  size_t room = *capacity > 0 ? *capacity : CAPACITY_FIRST;
  while (room < wanted && room <= SIZE_MAX / 2)
    room *= 2;
  void *grown = room < wanted || room > SIZE_MAX / size ? NULL : realloc(list, room * size);
  if (grown != NULL)
    *capacity = room;
  return grown;
}
