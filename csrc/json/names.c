#include "json/names.h"

#include <string.h>

/* Index of a way in the table of the strings. */
#define STRING_INDEX(set, way) ((int)(set)*NAMES_WAYS + (int)(way) + 1)

static uint64_t load8(const char *p) {
  uint64_t word;
  memcpy(&word, p, sizeof word);
  return word;
}

static uint64_t load4(const char *p) {
  uint32_t word;
  memcpy(&word, p, sizeof word);
  return word;
}

static inline struct name_bytes name_bytes(const char *p, size_t length) {
  struct name_bytes bytes = {{0, 0, 0, 0}};
  if (length >= 8) {
    bytes.word[0] = load8(p);
    bytes.word[1] = load8(p + length - 8);
    if (length > 16) {
      bytes.word[2] = load8(p + 8);
      bytes.word[3] = load8(p + length - 16);
    }
  } else if (length >= 4) {
    bytes.word[0] = load4(p);
    bytes.word[1] = load4(p + length - 4);
  } else {
    bytes.word[0] = (uint64_t)(unsigned char)p[0] | (uint64_t)(unsigned char)p[length / 2] << 8 |
                    (uint64_t)(unsigned char)p[length - 1] << 16;
  }
  return bytes;
}

/* Returns the set of a name: the top bits of a sum of odd multiples. */
static inline size_t name_set(const struct name_bytes *bytes, size_t length) {
  uint64_t hash = bytes->word[0] * UINT64_C(0x9e3779b97f4a7c15) +
                  bytes->word[1] * UINT64_C(0xd6e8feb86659fd93) +
                  bytes->word[2] * UINT64_C(0xa0761d6478bd642f) +
                  bytes->word[3] * UINT64_C(0xe7037ed1a0b428db) +
                  length * UINT64_C(0x8ebc6af09c88c6e3);
  return (size_t)(hash >> 48) % NAMES_SETS;
}

static inline bool name_equal(const struct name *name, const struct name_bytes *bytes,
                              size_t length) {
  return name->length == length && name->bytes.word[0] == bytes->word[0] &&
         name->bytes.word[1] == bytes->word[1] && name->bytes.word[2] == bytes->word[2] &&
         name->bytes.word[3] == bytes->word[3];
}

/* Names that are empty or long are not kept. */
static bool is_kept(size_t length) {
  return length - 1 < NAMES_MAX_LENGTH;
}

/* The numbers of objects only grow inwards. So a name that this object had is here with its number,
   or with that of an object within it, or it had to leave and raised `evicted` as high. */
bool sora_names_seen(const struct names *names, uint64_t object, const char *p, size_t length) {
  if (!is_kept(length))
    return true;
  struct name_bytes bytes = name_bytes(p, length);
  const struct name_set *set = &names->sets[name_set(&bytes, length)];
  for (int i = 0; i < NAMES_WAYS; i++)
    if (name_equal(&set->way[i], &bytes, length))
      return set->way[i].object >= object;
  return set->evicted >= object;
}

bool sora_names_push(lua_State *L, struct names *names, int strings, uint64_t object, const char *p,
                     size_t length) {
  if (!is_kept(length)) {
    lua_pushlstring(L, p, length);
    return true;
  }
  struct name_bytes bytes = name_bytes(p, length);
  size_t index = name_set(&bytes, length);
  struct name_set *set = &names->sets[index];
  for (int i = 0; i < NAMES_WAYS; i++) {
    struct name *name = &set->way[i];
    if (name_equal(name, &bytes, length)) {
      bool seen = name->object >= object;
      name->object = object;
      lua_rawgeti(L, strings, STRING_INDEX(index, i));
      return seen;
    }
  }
  lua_pushlstring(L, p, length); /* may run finalisers that change the cache; nothing below does */
  unsigned way = set->next;
  for (unsigned i = 0; i < NAMES_WAYS; i++)
    if (name_equal(&set->way[i], &bytes, length))
      way = i; /* a finaliser needed the same name: it must not be here twice */
  struct name *name = &set->way[way];
  lua_pushvalue(L, -1);
  lua_rawseti(L, strings, STRING_INDEX(index, way));
  bool seen = set->evicted >= object;
  if (name->object > set->evicted)
    set->evicted = name->object;
  set->next = (way + 1) % NAMES_WAYS;
  name->bytes = bytes;
  name->length = length;
  name->object = object;
  return seen;
}
