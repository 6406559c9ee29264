#include "json_scan.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__) && !defined(SORA_NO_SIMD)
#include <emmintrin.h>
#define BLOCK 16
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

/* sora_scan_plain, but goes on only until `reach`, or the end of the sequence across it. */
static const char *scan_plain_bytes(const char *p, const char *reach, const char *end) {
  while (p < reach) {
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

#if BLOCK == 16

static int lowest_bit(unsigned bits) {
  return __builtin_ctz(bits);
}

static unsigned equal(__m128i block, char c) {
  return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(block, _mm_set1_epi8(c)));
}

/* Bytes as signed numbers: 0x80 is the least, 0xff is -1, ASCII is above. */
static unsigned greater(__m128i block, unsigned char c) {
  return (unsigned)_mm_movemask_epi8(_mm_cmpgt_epi8(block, _mm_set1_epi8((char)c)));
}

static unsigned not_plain(__m128i block) {
  __m128i quote = _mm_cmpeq_epi8(block, _mm_set1_epi8('"'));
  __m128i backslash = _mm_cmpeq_epi8(block, _mm_set1_epi8('\\'));
  __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1f)), block);
  return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), control));
}

/* Returns the bytes of a block, one bit each, that are wrong in UTF-8 after those before them. The
   block begins with a whole sequence; *next is where the next one has to begin to do the same. */
static unsigned utf8_faults(__m128i block, unsigned high, int *next) {
  unsigned continuation = high & ~greater(block, 0xbf);
  unsigned lead = high & ~continuation;
  unsigned lead3 = high & greater(block, 0xdf), lead4 = high & greater(block, 0xef);
  unsigned wanted = lead << 1 | lead3 << 2 | lead4 << 3;
  unsigned faults = (wanted & 0xffff) ^ continuation;
  faults |= equal(_mm_and_si128(block, _mm_set1_epi8((char)0xfe)), (char)0xc0);
  faults |= high & greater(block, 0xf4);
  unsigned e0 = equal(block, (char)0xe0), ed = equal(block, (char)0xed);
  unsigned f0 = equal(block, (char)0xf0), f4 = equal(block, (char)0xf4);
  if (e0 | ed | f0 | f4) {
    unsigned from_90 = ~high | greater(block, 0x8f), from_a0 = ~high | greater(block, 0x9f);
    faults |= e0 << 1 & ~from_a0;
    faults |= ed << 1 & from_a0;
    faults |= f0 << 1 & ~from_90;
    faults |= f4 << 1 & from_90;
  }
  *next = wanted >> 16 ? 31 - __builtin_clz(lead) : 16;
  return faults & 0xffff;
}

const char *sora_scan_plain(const char *p, const char *end) {
  while (end - p >= 16) {
    __m128i block = _mm_loadu_si128((const __m128i *)(const void *)p);
    unsigned stop = not_plain(block), high = (unsigned)_mm_movemask_epi8(block);
    /* The bits up to and with the first one in stop, all when there is none. */
    unsigned upto = stop ^ (stop - 1);
    int next = 16;
    if ((high & upto) != 0 && (utf8_faults(block, high, &next) & upto) != 0)
      return scan_plain_bytes(p, end, end);
    if (stop != 0)
      return p + lowest_bit(stop);
    p += next;
  }
  return scan_plain_bytes(p, end, end);
}

const char *sora_scan_space(const char *p, const char *end) {
  while (end - p >= 16) {
    __m128i block = _mm_loadu_si128((const __m128i *)(const void *)p);
    unsigned space =
        equal(block, ' ') | equal(block, '\n') | equal(block, '\r') | equal(block, '\t');
    if (space != 0xffff)
      return p + lowest_bit(~space);
    p += 16;
  }
  while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
    p++;
  return p;
}

/* Copies until the next backslash or `close`, moving *out. */
static const char *copy_plain(const char *p, const char *close, const char *end, char **out) {
  while (end - p >= 16) {
    __m128i block = _mm_loadu_si128((const __m128i *)(const void *)p);
    unsigned backslash = equal(block, '\\');
    ptrdiff_t length = close - p;
    if (backslash != 0 && lowest_bit(backslash) < length)
      length = lowest_bit(backslash);
    _mm_storeu_si128((__m128i *)(void *)*out, block);
    if (length < 16) {
      *out += length;
      return p + length;
    }
    p += 16;
    *out += 16;
  }
  while (p < close && *p != '\\')
    *(*out)++ = *p++;
  return p;
}

#else

#define EVERY_BYTE(c) (UINT64_C(0x0101010101010101) * (c))

static uint64_t load(const char *p) {
  uint64_t word;
  memcpy(&word, p, sizeof word);
  return word;
}

/* Not zero if and only if a byte is zero. */
static uint64_t has_zero(uint64_t word) {
  return (word - EVERY_BYTE(1)) & ~word & EVERY_BYTE(0x80);
}

static bool all_plain_ascii(uint64_t word) {
  uint64_t control = (word - EVERY_BYTE(0x20)) & EVERY_BYTE(0x80);
  return ((word & EVERY_BYTE(0x80)) | control | has_zero(word ^ EVERY_BYTE('"')) |
          has_zero(word ^ EVERY_BYTE('\\'))) == 0;
}

const char *sora_scan_plain(const char *p, const char *end) {
  while (end - p >= 8) {
    if (all_plain_ascii(load(p))) {
      p += 8;
      continue;
    }
    const char *reach = p + 8;
    p = scan_plain_bytes(p, reach, end);
    if (p < reach)
      return p;
  }
  return scan_plain_bytes(p, end, end);
}

const char *sora_scan_space(const char *p, const char *end) {
  for (;;) {
    while (end - p >= 8 && load(p) == EVERY_BYTE(' '))
      p += 8;
    if (p == end || !(*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
      return p;
    p++;
  }
}

static const char *copy_plain(const char *p, const char *close, const char *end, char **out) {
  (void)end;
  for (; close - p >= 8; p += 8, *out += 8) {
    uint64_t word = load(p);
    if (has_zero(word ^ EVERY_BYTE('\\')))
      break;
    memcpy(*out, &word, sizeof word);
  }
  while (p < close && *p != '\\')
    *(*out)++ = *p++;
  return p;
}

#endif

/* Returns the value of the four hex digits at p, or -1. */
static int32_t read_hex(const char *p, const char *close) {
  if (close - p < 4)
    return -1;
  int32_t value = 0;
  for (int i = 0; i < 4; i++) {
    int c = p[i], letter = c | 0x20;
    if (c >= '0' && c <= '9')
      value = value << 4 | (c - '0');
    else if (letter >= 'a' && letter <= 'f')
      value = value << 4 | (letter - 'a' + 10);
    else
      return -1;
  }
  return value;
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

/* Reads the \uXXXX at *text, or the two that make a surrogate pair. */
static char *unescape_unicode(const char **text, const char *close, char *out,
                              const char **expected) {
  const char *p = *text;
  int32_t code = read_hex(p + 2, close);
  *expected = "four hex digits after '\\u'";
  if (code < 0)
    return NULL;
  p += 6;
  if (code >= 0xd800 && code <= 0xdfff) {
    *expected = "a high surrogate and a low one";
    int32_t low = close - p >= 6 && p[0] == '\\' && p[1] == 'u' ? read_hex(p + 2, close) : -1;
    if (code >= 0xdc00 || low < 0xdc00 || low > 0xdfff)
      return NULL;
    code = 0x10000 + (code - 0xd800) * 0x400 + (low - 0xdc00);
    p += 6;
  }
  *text = p;
  return write_utf8(out, code);
}

/* Returns what a backslash and this byte stand for, or 0. */
static char unescape_simple(char c) {
  switch (c) {
  case '"':
  case '\\':
  case '/':
    return c;
  case 'b':
    return '\b';
  case 'f':
    return '\f';
  case 'n':
    return '\n';
  case 'r':
    return '\r';
  case 't':
    return '\t';
  default:
    return 0;
  }
}

char *sora_scan_unescape(const char **text, const char *close, const char *end, char *out,
                         const char **expected) {
  const char *p = *text;
  while ((p = copy_plain(p, close, end, &out)) < close) {
    /* A backslash is never the last byte: it would have escaped the quote. */
    char simple = unescape_simple(p[1]);
    if (simple != 0) {
      *out++ = simple;
      p += 2;
      continue;
    }
    *text = p;
    *expected = "an escape that JSON has";
    if (p[1] != 'u' || (out = unescape_unicode(text, close, out, expected)) == NULL)
      return NULL;
    p = *text;
  }
  return out;
}

size_t sora_scan_flat_rest(const char *p, const char *end) {
  size_t values = 1;
  for (; p < end && *p != ']'; p++) {
    values += *p == ',';
    if (*p == '[' || *p == '{' || *p == '"')
      return 1;
  }
  return values;
}
