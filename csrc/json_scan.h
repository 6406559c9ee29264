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

/* The room that sora_scan_unescape may touch behind what it writes. */
#define SCAN_SLACK 16

/* Returns the first byte from p on that is not white space, or end. */
const char *sora_scan_space(const char *p, const char *end);

/* p is inside a string. Returns the first byte from there on that is not plain: a quote, a
   backslash, a control character, the first byte of what is not valid UTF-8; or end. */
const char *sora_scan_plain(const char *p, const char *end);

/* Unescapes the inside of a string, which begins at *text and ends at `close` with its quote, to
   `out`, which has room for as many bytes plus SCAN_SLACK. Returns the end of what it wrote, or
   NULL; then *text is the backslash of the faulty escape and *expected tells what should have been
   there. */
char *sora_scan_unescape(const char **text, const char *close, const char *end, char *out,
                         const char **expected);

/* p is where a value of an array begins. Returns how many there are from there on, or 1 when there
   is more than plain numbers and literals before the array's end. */
size_t sora_scan_flat_rest(const char *p, const char *end);

#endif
