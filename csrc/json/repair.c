#include "json/repair.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "json/scan.h"

#define REPLACEMENT "\xef\xbf\xbd"

struct repair {
  const char *from, *end;
  char *out;           /* NULL: only count */
  size_t length, most; /* of what is written; where to stop */
};

static void put(struct repair *r, const char *bytes, size_t length) {
  if (r->out != NULL)
    memcpy(r->out + r->length, bytes, length);
  r->length += length;
}

static void keep(struct repair *r, size_t length) {
  if (length > r->most - r->length)
    length = r->most - r->length;
  put(r, r->from, length);
  r->from += length;
}

static void replace(struct repair *r, size_t length) {
  put(r, REPLACEMENT, 3);
  r->from += length;
}

/* The length of the longest beginning of a character that the ill-formed bytes at p are, at least
   one. */
static size_t subpart(const char *text, const char *end) {
  const unsigned char *p = (const unsigned char *)text;
  size_t room = (size_t)(end - text);
  if (p[0] < 0xc2 || p[0] > 0xf4)
    return 1;
  unsigned char least = 0x80, most = 0xbf; /* what the second byte may be */
  switch (p[0]) {
  case 0xe0:
    least = 0xa0;
    break;
  case 0xed:
    most = 0x9f;
    break;
  case 0xf0:
    least = 0x90;
    break;
  case 0xf4:
    most = 0x8f;
    break;
  default:
    break;
  }
  size_t whole = (size_t)2 + (p[0] >= 0xe0) + (p[0] >= 0xf0), length = 1;
  while (length < whole && length < room && p[length] >= least && p[length] <= most) {
    least = 0x80;
    most = 0xbf;
    length++;
  }
  return length;
}

static void escape_control(struct repair *r) {
  static const char hex[] = "0123456789abcdef";
  unsigned char c = (unsigned char)*r->from++;
  char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
  put(r, escape, sizeof escape);
}

/* Whether \uXXXX at p is a surrogate; `low` or high. */
static bool is_surrogate(const char *p, const char *end, bool low) {
  if (end - p < 6 || p[0] != '\\' || p[1] != 'u' || (p[2] | 0x20) != 'd')
    return false;
  char third = (char)(p[3] | 0x20);
  bool high_digit = p[3] == '8' || p[3] == '9' || third == 'a' || third == 'b';
  bool low_digit = third == 'c' || third == 'd' || third == 'e' || third == 'f';
  for (int i = 4; i < 6; i++) {
    char letter = (char)(p[i] | 0x20);
    if (!(p[i] >= '0' && p[i] <= '9') && !(letter >= 'a' && letter <= 'f'))
      return false;
  }
  return low ? low_digit : high_digit;
}

/* What begins with the backslash at `from`. */
static void repair_escape(struct repair *r) {
  const char *p = r->from;
  if (is_surrogate(p, r->end, false) && is_surrogate(p + 6, r->end, true))
    keep(r, 12);
  else if (is_surrogate(p, r->end, false) || is_surrogate(p, r->end, true))
    replace(r, 6);
  else
    keep(r, r->end - p >= 2 && (p[1] == '"' || p[1] == '\\') ? 2 : 1);
}

/* What is at `from`, inside a string: some bytes that are well, or one fault. */
static void repair_string(struct repair *r) {
  size_t plain = (size_t)(sora_scan_plain(r->from, r->end) - r->from);
  unsigned char c = (unsigned char)*r->from;
  if (plain > 0)
    keep(r, plain);
  else if (c == '\\')
    repair_escape(r);
  else if (c < 0x20)
    escape_control(r);
  else
    replace(r, subpart(r->from, r->end));
}

/* Goes on until the text is at its end or `most` bytes have been written, and the rest of a
   replacement. */
static void repair(struct repair *r) {
  bool in_string = false;
  if (r->end - r->from >= 3 && memcmp(r->from, "\xef\xbb\xbf", 3) == 0)
    r->from += 3;
  while (r->from < r->end && r->length < r->most) {
    if (*r->from == '"') {
      in_string = !in_string;
      keep(r, 1);
    } else if (in_string) {
      repair_string(r);
    } else {
      const char *quote = memchr(r->from, '"', (size_t)(r->end - r->from));
      keep(r, (size_t)((quote != NULL ? quote : r->end) - r->from));
    }
  }
}

size_t sora_json_repair(const char *text, const char *end, char *out) {
  struct repair r = {text, end, out, 0, SIZE_MAX};
  repair(&r);
  return r.length;
}

const char *sora_json_repair_origin(const char *text, const char *end, size_t offset) {
  struct repair r = {text, end, NULL, 0, offset};
  repair(&r);
  return r.from;
}
