#include "json/members.h"

#include <string.h>

static uint64_t first_bytes(const char *name, size_t length) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < 8; i++)
    bytes = bytes << 8 | (i < length ? (unsigned char)name[i] : 0);
  return bytes;
}

/* Compares as bytes; `text` is where the offsets count from. */
static int compare_names(const char *text, const struct member *a, const struct member *b) {
  if (a->order != b->order)
    return a->order < b->order ? -1 : 1;
  size_t least = a->name_length < b->name_length ? a->name_length : b->name_length;
  int order = memcmp(text + a->begin + 1, text + b->begin + 1, least);
  return order != 0 ? order : (a->name_length > b->name_length) - (a->name_length < b->name_length);
}

/* Makes the member at `top` the greatest of those below it, in a heap of `count`. */
static void sift(const char *text, struct member *heap, size_t top, size_t count) {
  struct member moved = heap[top];
  for (size_t child; (child = 2 * top + 1) < count; top = child) {
    if (child + 1 < count && compare_names(text, &heap[child], &heap[child + 1]) < 0)
      child++;
    if (compare_names(text, &moved, &heap[child]) >= 0)
      break;
    heap[top] = heap[child];
  }
  heap[top] = moved;
}

static void heap_sort(const char *text, struct member *members, size_t count) {
  for (size_t i = count / 2; i-- > 0;)
    sift(text, members, i, count);
  while (count-- > 1) {
    struct member greatest = members[0];
    members[0] = members[count];
    members[count] = greatest;
    sift(text, members, 0, count);
  }
}

static bool in_order(const char *text, const struct member *members, size_t count) {
  for (size_t i = 1; i < count; i++)
    if (compare_names(text, &members[i - 1], &members[i]) > 0)
      return false;
  return true;
}

void sora_member_name(struct member *member, const char *text, size_t name_length) {
  member->name_length = name_length;
  member->order = first_bytes(text + member->begin + 1, name_length);
}

bool sora_members_sort(const char *text, struct member *members, size_t count) {
  if (in_order(text, members, count))
    return false;
  heap_sort(text, members, count);
  return true;
}
