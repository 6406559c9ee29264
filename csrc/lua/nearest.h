/*
 * Which of some names was meant by one that is not among them. Lua is not known here.
 */
#ifndef SORA_NEAREST_H
#define SORA_NEAREST_H

#include <stddef.h>

/* Returns the nearest name, the first of several, that is fewer than three edits away
   (Levenshtein); NULL: none is. `first` points to the name of the first of `count` rows of `size`
   bytes. */
const char *sora_nearest(const char *name, const char *const *first, size_t count, size_t size);

#endif
