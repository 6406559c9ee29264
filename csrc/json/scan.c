#include "json/scan.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__) && !defined(SORA_NO_SIMD)
#include <emmintrin.h>
#define BLOCK 32
#else
#define BLOCK 8
#endif

/* Returns the length of the valid UTF-8 sequence of more than one byte at p, or 0. */
static int utf8_length(const char *text, const char *end) {
  const unsigned char *p = (const unsigned char *)text;
  ptrdiff_t room = end - text;
#define CONTINUES(i) ((p[i] & 0xc0) == 0x80)
  if (p[0] >= 0xc2 && p[0] <= 0xdf)
    return room >= 2 && CONTINUES(1) ? 2 : 0;
  if (p[0] >= 0xe0 && p[0] <= 0xef) {
    if (room < 3 || !CONTINUES(1) || !CONTINUES(2))
      return 0;
    bool overlong = p[0] == 0xe0 && p[1] < 0xa0, surrogate = p[0] == 0xed && p[1] >= 0xa0;
    return overlong || surrogate ? 0 : 3;
  }
  if (p[0] >= 0xf0 && p[0] <= 0xf4) {
    if (room < 4 || !CONTINUES(1) || !CONTINUES(2) || !CONTINUES(3))
      return 0;
    bool overlong = p[0] == 0xf0 && p[1] < 0x90, beyond = p[0] == 0xf4 && p[1] >= 0x90;
    return overlong || beyond ? 0 : 4;
  }
#undef CONTINUES
  return 0;
}

static const char *scan_plain_bytes(const char *p, const char *end) {
  while (p < end) {
    unsigned char c = (unsigned char)*p;
    if (c < 0x80) {
      if (c < 0x20 || c == '"' || c == '\\')
        break;
      p++;
    } else {
      int length = utf8_length(p, end);
      if (length == 0)
        break;
      p += length;
    }
  }
  return p;
}

/* Goes on byte by byte from the beginning of the sequence that p may be within. */
static const char *scan_plain_rest(const char *p, const char *end) {
  for (int i = 1; i <= 3; i++)
    if ((unsigned char)p[-i] >= 0xc0)
      return scan_plain_bytes(p - i, end);
  return scan_plain_bytes(p, end);
}

static bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

#if BLOCK == 32

static __m128i load(const char *p) {
  return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static __m128i equal(__m128i block, unsigned char c) {
  return _mm_cmpeq_epi8(block, _mm_set1_epi8((char)c));
}

/* Bytes are compared as signed numbers: 0x80 is the least, 0xff is -1, ASCII is above. */
static __m128i less(__m128i block, unsigned char c) {
  return _mm_cmplt_epi8(block, _mm_set1_epi8((char)c));
}

/* Not zero where a byte, unsigned, is greater. */
static __m128i above(__m128i block, unsigned char c) {
  return _mm_subs_epu8(block, _mm_set1_epi8((char)c));
}

static __m128i either(__m128i a, __m128i b) {
  return _mm_or_si128(a, b);
}

static unsigned mask(__m128i block) {
  return (unsigned)_mm_movemask_epi8(block);
}

/* The bytes that end a plain run, one bit each. */
static unsigned not_plain(__m128i block) {
  __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1f)), block);
  return mask(either(either(equal(block, '"'), equal(block, '\\')), control));
}

/* The bytes of a block, one bit each, that are wrong in UTF-8 behind those one, two and three
 * before them. */
static unsigned utf8_faults(__m128i block, __m128i before1, __m128i before2, __m128i before3) {
  __m128i due = either(above(before1, 0xbf), either(above(before2, 0xdf), above(before3, 0xef)));
  __m128i not_due = equal(due, 0), continuation = less(block, 0xc0);
  __m128i faults = _mm_cmpeq_epi8(not_due, continuation);
  __m128i overlong2 = equal(_mm_and_si128(block, _mm_set1_epi8((char)0xfe)), 0xc0);
  __m128i beyond = _mm_cmpeq_epi8(_mm_max_epu8(block, _mm_set1_epi8((char)0xf5)), block);
  __m128i below_90 = less(block, 0x90), below_a0 = less(block, 0xa0);
  __m128i overlong3 = _mm_and_si128(below_a0, equal(before1, 0xe0));
  __m128i overlong4 = _mm_and_si128(below_90, equal(before1, 0xf0));
  __m128i surrogate = _mm_andnot_si128(below_a0, equal(before1, 0xed));
  __m128i beyond4 = _mm_andnot_si128(below_90, equal(before1, 0xf4));
  faults = either(faults, either(either(overlong2, beyond), either(surrogate, beyond4)));
  return mask(either(faults, either(overlong3, overlong4)));
}

/* sora_scan_plain where p is at the beginning of a sequence and the next sixteen bytes are not all
 * ASCII. */
static const char *scan_plain_utf8(const char *p, const char *end) {
  const char *begin = p;
  do {
    __m128i block = load(p);
    unsigned stop = not_plain(block), faults;
    if (p == begin)
      faults = utf8_faults(block, _mm_slli_si128(block, 1), _mm_slli_si128(block, 2),
                           _mm_slli_si128(block, 3));
    else
      faults = utf8_faults(block, load(p - 1), load(p - 2), load(p - 3));
    /* Up to and with the first one to stop at; all when there is none. */
    if ((faults & (stop ^ (stop - 1))) != 0)
      break;
    if (stop != 0)
      return p + __builtin_ctz(stop);
    p += 16;
  } while (end - p >= 16);
  return p == begin ? scan_plain_bytes(p, end) : scan_plain_rest(p, end);
}

const char *sora_scan_plain(const char *p, const char *end) {
  for (; end - p >= 16; p += 16) {
    __m128i block = load(p);
    unsigned stop = not_plain(block);
    if ((mask(block) & (stop ^ (stop - 1))) != 0)
      return scan_plain_utf8(p, end);
    if (stop != 0)
      return p + __builtin_ctz(stop);
  }
  return scan_plain_bytes(p, end);
}

/* Copies a block and returns how many bytes at its beginning are plain ASCII. */
static int copy_ascii(char *to, const char *from) {
  __m128i first = load(from), second = load(from + 16);
  _mm_storeu_si128((__m128i *)(void *)to, first);
  _mm_storeu_si128((__m128i *)(void *)(to + 16), second);
  unsigned others = not_plain(first) | mask(first) | (not_plain(second) | mask(second)) << 16;
  return others == 0 ? BLOCK : __builtin_ctz(others);
}

/* Returns the first byte that is no space, of those that are whole blocks away from end. */
static const char *skip_blanks(const char *p, const char *end) {
  for (; end - p >= 16; p += 16) {
    unsigned other = mask(equal(load(p), ' ')) ^ 0xffff;
    if (other != 0)
      return p + __builtin_ctz(other);
  }
  return p;
}

#else

#define EVERY_BYTE(c) (UINT64_C(0x0101010101010101) * (c))

static uint64_t load(const char *p) {
  uint64_t word;
  memcpy(&word, p, sizeof word);
  return word;
}

/* The high bit of each zero byte; wrong only in bytes more significant than such a one. */
static uint64_t zeros(uint64_t word) {
  return (word - EVERY_BYTE(1)) & ~word & EVERY_BYTE(0x80);
}

/* The high bit of each byte that is not plain ASCII; as wrong as zeros. */
static uint64_t not_ascii(uint64_t word) {
  uint64_t control = word - EVERY_BYTE(0x20);
  return zeros(word ^ EVERY_BYTE('"')) | zeros(word ^ EVERY_BYTE('\\')) |
         ((word | control) & EVERY_BYTE(0x80));
}

/* UTF-8 as a finite automaton whose states are shifts: a byte's row, shifted right by the state,
   has the next state in its lowest six bits. Nothing but a shift lies between one byte and the
   next. */
enum { FAULT = 0, PLAIN = 6, ONE = 12, TWO = 18, THREE = 24, E0 = 30, ED = 36, F0 = 42, F4 = 48 };

#define GO(from, to) ((uint64_t)(to) << (from))
#define CONTINUED (GO(ONE, PLAIN) | GO(TWO, ONE) | GO(THREE, TWO))

static const uint64_t rows[] = {
    0,                                     /* 0: never plain */
    GO(PLAIN, PLAIN),                      /* 1: plain ASCII */
    CONTINUED | GO(ED, ONE) | GO(F4, TWO), /* 2: 80 to 8f */
    CONTINUED | GO(ED, ONE) | GO(F0, TWO), /* 3: 90 to 9f */
    CONTINUED | GO(E0, ONE) | GO(F0, TWO), /* 4: a0 to bf */
    GO(PLAIN, ONE),                        /* 5: c2 to df */
    GO(PLAIN, E0),                         /* 6 */
    GO(PLAIN, TWO),                        /* 7: e1 to ef, but ed */
    GO(PLAIN, ED),                         /* 8 */
    GO(PLAIN, F0),                         /* 9 */
    GO(PLAIN, THREE),                      /* 10: f1 to f3 */
    GO(PLAIN, F4),                         /* 11 */
};

/* clang-format off */
static const unsigned char row_of[256] = {
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* not the quote */
  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, /* nor the backslash */
  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
  2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
  3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3,
  4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
  4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
  0, 0, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5,
  5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5,
  6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 7,
  9, 10, 10, 10, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
};
/* clang-format on */

/* sora_scan_plain where p is at the beginning of a sequence. */
static const char *scan_plain_utf8(const char *p, const char *end) {
  const char *begin = p;
  uint64_t state = PLAIN;
  for (; end - p >= 8; p += 8) {
    for (int i = 0; i < 8; i++)
      state = rows[row_of[(unsigned char)p[i]]] >> (state & 63);
    if ((state & 63) == FAULT)
      break;
  }
  return p == begin ? scan_plain_bytes(p, end) : scan_plain_rest(p, end);
}

const char *sora_scan_plain(const char *p, const char *end) {
  for (; end - p >= 8; p += 8) {
    uint64_t word = load(p);
    if ((word & EVERY_BYTE(0x80)) != 0)
      return scan_plain_utf8(p, end);
    if (not_ascii(word) != 0)
      break;
  }
  return scan_plain_bytes(p, end);
}

/* Copies a block and returns how many bytes at its beginning are plain ASCII. */
static int copy_ascii(char *to, const char *from) {
  uint64_t word = load(from), others = not_ascii(word);
  memcpy(to, &word, 8);
  if (others == 0)
    return 8;
#if defined(__GNUC__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  return __builtin_ctzll(others) / 8;
#else
  int length = 0;
  while (not_ascii((unsigned char)from[length] * EVERY_BYTE(1)) == 0)
    length++;
  return length;
#endif
}

static const char *skip_blanks(const char *p, const char *end) {
  while (end - p >= 8 && load(p) == EVERY_BYTE(' '))
    p += 8;
  return p;
}

#endif

const char *sora_scan_space(const char *p, const char *end) {
  while (p < end && (unsigned char)*p <= ' ' && is_space(*p))
    p = skip_blanks(p + 1, end);
  return p;
}

const char *sora_scan_expected(const char *p, const char *end) {
  if (p == end)
    return "a closing quote";
  return (unsigned char)*p < 0x20 ? "an escape for a control character" : "valid UTF-8";
}

/* Returns the value of the four hex digits at p, or -1. */
static int32_t read_hex(const char *p, const char *end) {
  /* The value of a digit and 0x10; 0 for other bytes. */
  static const unsigned char digits[256] = {
      ['0'] = 0x10, ['1'] = 0x11, ['2'] = 0x12, ['3'] = 0x13, ['4'] = 0x14, ['5'] = 0x15,
      ['6'] = 0x16, ['7'] = 0x17, ['8'] = 0x18, ['9'] = 0x19, ['a'] = 0x1a, ['b'] = 0x1b,
      ['c'] = 0x1c, ['d'] = 0x1d, ['e'] = 0x1e, ['f'] = 0x1f, ['A'] = 0x1a, ['B'] = 0x1b,
      ['C'] = 0x1c, ['D'] = 0x1d, ['E'] = 0x1e, ['F'] = 0x1f};
  if (end - p < 4)
    return -1;
  const unsigned char *byte = (const unsigned char *)p;
  int a = digits[byte[0]], b = digits[byte[1]], c = digits[byte[2]], d = digits[byte[3]];
  if ((a & b & c & d & 0x10) == 0)
    return -1;
  return (a & 15) << 12 | (b & 15) << 8 | (c & 15) << 4 | (d & 15);
}

static char *write_utf8(char *out, int32_t code) {
  if (code < 0x80) {
    *out++ = (char)code;
    return out;
  }
  if (code < 0x800) {
    *out++ = (char)(0xc0 | code >> 6);
  } else {
    if (code < 0x10000) {
      *out++ = (char)(0xe0 | code >> 12);
    } else {
      *out++ = (char)(0xf0 | code >> 18);
      *out++ = (char)(0x80 | (code >> 12 & 0x3f));
    }
    *out++ = (char)(0x80 | (code >> 6 & 0x3f));
  }
  *out++ = (char)(0x80 | (code & 0x3f));
  return out;
}

/* Reads the \uXXXX at `from`, or the two that make a surrogate pair. */
static bool unescape_unicode(struct scan_copy *copy, const char *end) {
  const char *p = copy->from;
  int32_t code = read_hex(p + 2, end);
  copy->expected = "four hex digits after '\\u'";
  if (code < 0)
    return false;
  p += 6;
  if (code >= 0xd800 && code <= 0xdfff) {
    copy->expected = "a high surrogate and a low one";
    int32_t low = end - p >= 6 && p[0] == '\\' && p[1] == 'u' ? read_hex(p + 2, end) : -1;
    if (code >= 0xdc00 || low < 0xdc00 || low > 0xdfff)
      return false;
    code = 0x10000 + (code - 0xd800) * 0x400 + (low - 0xdc00);
    p += 6;
  }
  copy->from = p;
  copy->to = write_utf8(copy->to, code);
  return true;
}

/* What a backslash and one letter stand for; 0: nothing, or more than one letter decides. */
static const char escapes[256] = {['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
                                  ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t'};

/* Unescapes what begins with the backslash at `from`. */
static bool unescape_one(struct scan_copy *copy, const char *end) {
  char letter = end - copy->from >= 2 ? copy->from[1] : '\0';
  if (letter == 'u')
    return unescape_unicode(copy, end);
  copy->expected = "an escape that JSON has";
  if (escapes[(unsigned char)letter] == '\0')
    return false;
  *copy->to++ = escapes[(unsigned char)letter];
  copy->from += 2;
  return true;
}

/* Copies plain ASCII and short escapes, as far as there are whole blocks and room for them. */
static void copy_blocks(struct scan_copy *copy, const char *end) {
  const char *from = copy->from;
  char *to = copy->to;
  while (end - from > BLOCK && copy->room - to >= BLOCK) {
    int length = copy_ascii(to, from);
    from += length;
    to += length;
    if (length == BLOCK)
      continue;
    char escaped = *from == '\\' ? escapes[(unsigned char)from[1]] : '\0';
    if (escaped == '\0')
      break;
    *to++ = escaped;
    from += 2;
  }
  copy->from = from;
  copy->to = to;
}

enum scan_end sora_scan_unescape(struct scan_copy *copy, const char *end) {
  for (;;) {
    copy_blocks(copy, end);
    const char *from = copy->from;
    if (from < end && *from == '"')
      return SCAN_QUOTE;
    size_t plain = 0;
    if (from == end || *from != '\\') {
      plain = (size_t)(sora_scan_plain(from, end) - from);
      copy->expected = sora_scan_expected(from, end);
      if (plain == 0)
        return SCAN_FAULT;
    }
    copy->wanted = plain + BLOCK;
    if ((size_t)(copy->room - copy->to) < copy->wanted)
      return SCAN_FULL;
    if (plain > 0) {
      memcpy(copy->to, from, plain);
      copy->from += plain;
      copy->to += plain;
    } else if (!unescape_one(copy, end)) {
      return SCAN_FAULT;
    }
  }
}

/* So many bytes at a time are counted without a look at where the array ends; compilers make
 * vectors of it. */
#define CHUNK 128

size_t sora_scan_flat_rest(const char *p, const char *end) {
  const char *begin = p;
  size_t commas = 0;
  for (; end - p >= CHUNK; p += CHUNK) {
    unsigned char found = 0, stops = 0;
    for (int i = 0; i < CHUNK; i++) {
      found = (unsigned char)(found + (p[i] == ','));
      stops |= p[i] == '"' || (p[i] | 0x20) == '{' || (p[i] | 0x20) == '}';
    }
    if (stops != 0)
      break;
    commas += found;
  }
  for (; p < end && *p != ']'; p++) {
    commas += *p == ',';
    if (*p == '[' || *p == '{' || *p == '"')
      return 1;
  }
  /* A fault may be that there are only commas: a value has a byte as well. */
  size_t most = (size_t)(p - begin) / 2;
  return p == end ? 1 : 1 + (commas < most ? commas : most);
}
