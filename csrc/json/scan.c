#include "json/scan.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__) && !defined(SORA_NO_SIMD)
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
#include "json/scan_sse2.h"
#else
#include "json/scan_words.h"
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
