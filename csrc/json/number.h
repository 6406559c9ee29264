/*
 * JSON number text -> int64 or double.
 *
 * Exact: an integer that fits keeps every digit, everything else is the nearest double, ties to
 * even. Works on the bytes alone: no strtod, so LC_NUMERIC does not matter; no allocation. Must not
 * know Lua, nor what comes before or after the number.
 */
#ifndef SORA_NUMBER_H
#define SORA_NUMBER_H

#include <stdint.h>

enum number_type {
  NUMBER_MALFORMED, /* not by the grammar of RFC 8259 */
  NUMBER_OVERFLOW,  /* by the grammar, but rounds to infinity */
  NUMBER_INTEGER,
  NUMBER_FLOAT /* has a fraction or an exponent, or fits no int64, or is -0 */
};

struct number {
  enum number_type type;
  int64_t integer; /* NUMBER_INTEGER */
  double real;     /* NUMBER_FLOAT */
};

/* Reads the number that begins at `text` and ends before `end` at the latest. Returns where it
   ends; of a malformed one, the byte at which a digit is missing. */
const char *sora_number_read(const char *text, const char *end, struct number *number);

#endif
