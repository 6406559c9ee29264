#include "transfer/spelling.h"

#include <string.h>

static int hex_digit(char byte) {
  if (byte >= '0' && byte <= '9')
    return byte - '0';
  byte = (char)(byte | 0x20);
  return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

long sora_hex_number(const char *text, size_t left, size_t count) {
  long number = left < count ? -1 : 0;
  for (size_t i = 0; i < count && number >= 0; i++)
    number = hex_digit(text[i]) < 0 ? -1 : number * 16 + hex_digit(text[i]);
  return number;
}

/* The character of that number, which `length` bytes spell; beyond U+FFFF there is none. */
static struct spelling character(long code, size_t length) {
  unsigned low = (unsigned)code & 63, middle = (unsigned)code >> 6 & 63;
  if (code <= 0 || code > 0xFFFF)
    return (struct spelling){0};
  if (code < 0x80)
    return (struct spelling){length, 1, {(char)code}};
  if (code < 0x800)
    return (struct spelling){length, 2, {(char)(0xC0 | code >> 6), (char)(0x80 | low)}};
  return (struct spelling){
      length, 3, {(char)(0xE0 | code >> 12), (char)(0x80 | middle), (char)(0x80 | low)}};
}

/* A backslash and what follows it, after as many more as there are: quoted once more. */
static struct spelling escape_of_json(const char *text, size_t left) {
  size_t i = 1;
  while (i < left && text[i] == '\\')
    i++;
  if (i < left && (text[i] == '"' || text[i] == '/' || text[i] == '\''))
    return character(text[i], i + 1);
  if (i < left && text[i] == 'u')
    return character(sora_hex_number(text + i + 1, left - i - 1, 4), i + 5);
  return i > 1 ? character('\\', 2) : (struct spelling){0};
}

/* It is bytes that are percent-encoded; a percent sign that was encoded itself is "%25". */
static struct spelling escape_of_url(const char *text, size_t left) {
  size_t i = 1;
  while (left >= i + 4 && text[i] == '2' && text[i + 1] == '5' &&
         sora_hex_number(text + i + 2, left - i - 2, 2) >= 0)
    i += 2;
  long byte = sora_hex_number(text + i, left - i, 2);
  return byte > 0 ? (struct spelling){i + 2, 1, {(char)byte}} : (struct spelling){0};
}

static struct spelling escape_of_html(const char *text, size_t left) {
  static const struct {
    const char *text;
    char byte;
  } names[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    size_t size = strlen(names[i].text);
    if (left >= size && memcmp(text, names[i].text, size) == 0)
      return character(names[i].byte, size);
  }
  if (left < 4 || text[1] != '#')
    return (struct spelling){0};
  size_t i = text[2] == 'x' || text[2] == 'X' ? 3 : 2;
  long base = i == 3 ? 16 : 10, code = 0;
  for (; i < left && hex_digit(text[i]) >= 0 && hex_digit(text[i]) < base && code <= 0xFFFF; i++)
    code = code * base + hex_digit(text[i]);
  return i < left && text[i] == ';' ? character(code, i + 1) : (struct spelling){0};
}

struct spelling sora_escape(const char *text, size_t left) {
  switch (*text) {
  case '\\':
    return escape_of_json(text, left);
  case '%':
    return escape_of_url(text, left);
  case '&':
    return escape_of_html(text, left);
  case '+':
    return character(' ', 1);
  default:
    return (struct spelling){0};
  }
}

size_t sora_spells(const char *text, size_t left, char byte) {
  if (left == 0)
    return 0;
  if (*text == byte)
    return 1;
  struct spelling spelling = sora_escape(text, left);
  return spelling.count == 1 && spelling.bytes[0] == byte ? spelling.length : 0;
}
