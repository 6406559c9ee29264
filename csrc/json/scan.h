/*
 * What the decoder does byte by byte: skipping space, finding the end of strings, checking UTF-8,
 * unescaping.
 *
 * With SSE2 sixteen bytes at a time, elsewhere (or with -DSORA_NO_SIMD) eight in a machine word,
 * the results being the same. Never reads at or behind `end`. Must not know Lua.
 */
#ifndef SORA_JSON_SCAN_H
#define SORA_JSON_SCAN_H

#include <stddef.h>

/* Returns the first byte from p on that is not white space, or end. */
const char *sora_scan_space(const char *p, const char *end);

/* p is inside a string. Returns the first byte from there on that is not plain: a quote, a
   backslash, a control character, the first byte of what is not valid UTF-8; or end. */
const char *sora_scan_plain(const char *p, const char *end);

enum scan_end {
  SCAN_QUOTE, /* the closing quote has been reached */
  SCAN_FULL,  /* there is no room for the next bytes */
  SCAN_FAULT  /* `from` is the fault */
};

struct scan_copy {
  const char *from;
  char *to;
  const char *room;     /* the end of the room at `to` */
  size_t wanted;        /* SCAN_FULL: so much of it lets the copying go on */
  const char *expected; /* SCAN_FAULT: what should have been there */
};

/* Copies the inside of a string, unescaped, moving `from` and `to` along; when there is more room,
   it may be called again to go on. */
enum scan_end sora_scan_unescape(struct scan_copy *copy, const char *end);

/* Tells what should have been at p, where sora_scan_plain has stopped, instead of a fault. */
const char *sora_scan_expected(const char *p, const char *end);

/* p is where a value of an array begins. Returns how many there are from there on, or 1 when there
   is more than plain numbers and literals before the array's end. */
size_t sora_scan_flat_rest(const char *p, const char *end);

#endif
