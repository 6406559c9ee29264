/*
 * JSON number text -> int64 or double, and back.
 *
 * Exact: an integer that fits keeps every digit, everything else is the nearest double, ties to
 * even; a double is written with the fewest digits that lead back to it. Works on the bytes alone:
 * no strtod or printf, so LC_NUMERIC does not matter; no allocation. Must not know Lua, nor what
 * comes before or after the number.
 */
#ifndef SORA_NUMBER_H
#define SORA_NUMBER_H

#include <stdbool.h>
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

/* Both write at most this many bytes. */
#define NUMBER_LONGEST 32

/* Writes the number and returns the end of what it wrote. */
char *sora_number_write_integer(int64_t value, char *out);

/* Writes a finite double as JavaScript does, with an exponent from 1e21 on and below 1e-6; with
   `fraction` one that is whole gets ".0", so that it can be told from an integer. */
char *sora_number_write_real(double value, bool fraction, char *out);

#endif
