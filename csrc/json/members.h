/*
 * The members of an object in the order of their names. Within json/ only; must not know Lua.
 */
#ifndef SORA_JSON_MEMBERS_H
#define SORA_JSON_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A member of an open object, as offsets in the text. */
struct member {
  uint64_t order; /* the first eight bytes of its name, the first of them highest, then zeros */
  size_t begin, end;
  size_t name_length; /* as written, without its quotes; begin + 1 is where it begins */
};

/* Notes the name that has been written at member->begin. */
void sora_member_name(struct member *member, const char *text, size_t name_length);

/* Sorts by the bytes of the names, which are found in `text`: a heap sort, which needs no memory
   and has no bad case. Returns false where they stood in order already. */
bool sora_members_sort(const char *text, struct member *members, size_t count);

#endif
