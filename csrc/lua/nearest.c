#include "lua/nearest.h"

#include <string.h>

enum {
  LONGEST = 32, /* bytes; a longer name is none that was meant */
  TOO_MANY = 3  /* edits */
};

/* The number of single-character edits between two short names (Levenshtein); `limit` or more is
 * `limit`. */
static int distance(const char *a, const char *b, int limit) {
  int row[LONGEST], size = (int)strlen(b);
  if (size >= LONGEST || strlen(a) >= LONGEST)
    return limit;
  for (int j = 0; j <= size; j++)
    row[j] = j;
  for (int i = 1; a[i - 1] != '\0'; i++) {
    int diagonal = row[0];
    row[0] = i;
    for (int j = 1; j <= size; j++) {
      int best = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      if (row[j] + 1 < best)
        best = row[j] + 1;
      if (row[j - 1] + 1 < best)
        best = row[j - 1] + 1;
      row[j] = best;
    }
  }
  return row[size] < limit ? row[size] : limit;
}

const char *sora_nearest(const char *name, const char *const *first, size_t count, size_t size) {
  const char *nearest = NULL;
  int least = TOO_MANY;
  for (size_t i = 0; i < count; i++) {
    const char *other = *(const char *const *)(const void *)((const char *)first + i * size);
    int edits = distance(name, other, least);
    if (edits < least) {
      least = edits;
      nearest = other;
    }
  }
  return nearest;
}
