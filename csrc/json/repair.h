/*
 * JSON as services send it and browsers read it -> strict JSON, byte by byte.
 *
 * A byte order mark in front is left out. In strings, ill-formed UTF-8 becomes U+FFFD, one for each
 * maximal subpart (WHATWG Encoding, "UTF-8 decoder"), as does each escape of a lone surrogate; and
 * control characters, which browsers refuse, are escaped, since they can mean nothing but
 * themselves. All else stays as it is: what is no JSON for another reason is none afterwards. Must
 * not know Lua.
 */
#ifndef SORA_JSON_REPAIR_H
#define SORA_JSON_REPAIR_H

#include <stddef.h>

/* Writes the repaired text to `out`, which has room for it, or with NULL only counts. Returns how
   many bytes it has. */
size_t sora_json_repair(const char *text, const char *end, char *out);

/* Returns the place in the text of what is at `offset` in the repaired one; within a replacement,
   that behind what was replaced. */
const char *sora_json_repair_origin(const char *text, const char *end, size_t offset);

#endif
