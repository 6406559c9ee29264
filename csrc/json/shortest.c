#include "json/number.h"

#include <string.h>

#include "json/powers.h"

#define MANTISSA_BITS 52
#define MANTISSA_HIDDEN ((uint64_t)1 << MANTISSA_BITS)
#define EXPONENT_BIAS (1023 + MANTISSA_BITS)

/* Where JavaScript begins to write exponents. */
#define POINT_MOST 21
#define POINT_LEAST (-5)

/* digits * 10^exponent */
struct decimal {
  uint64_t digits;
  int exponent;
};

static int floor_shift(int value, int bits) {
  return (value - (value < 0 ? (1 << bits) - 1 : 0)) / (1 << bits);
}

/* The first 128 bits of 10^q, rounded up. */
static struct power power_rounded_up(int q) {
  struct power power = power_of_five(q);
  if ((q < -27 || q > 55) && ++power.low == 0)
    power.high++;
  return power;
}

/* The integer part of product / 2^128, its last bit set when there is a fraction too. */
static uint64_t round_to_odd(struct power power, uint64_t factor) {
  struct power high = multiply(power.high, factor), low = multiply(power.low, factor);
  uint64_t middle = high.low + low.high;
  uint64_t whole = high.high + (middle < high.low);
  return whole | (middle > 1);
}

/* The shortest decimal that lies nearer to mantissa * 2^exponent than to any other double, and the
   nearest of those (Giulietti, "The Schubfach way to render doubles", 2020). `uneven`: the double
   below is only half as far away as the one above. All in quarters of 10^k, where a step of 10^k is
   at most as wide as the interval between both middles, and one of 10^(k+1) is wider. */
static struct decimal shortest(uint64_t mantissa, int exponent, bool uneven) {
  int k = floor_shift(exponent * 1262611 - (uneven ? 524031 : 0), 22); /* log10 of the interval */
  int shift = exponent + floor_shift(-k * 1741647, 19) + 1;            /* log2 of 10^-k */
  struct power power = power_rounded_up(-k);
  bool odd = (mantissa & 1) != 0; /* ties go to even: only then are the ends within */
  uint64_t least = round_to_odd(power, (4 * mantissa - 2 + uneven) << shift) + odd;
  uint64_t value = round_to_odd(power, (4 * mantissa) << shift);
  uint64_t most = round_to_odd(power, (4 * mantissa + 2) << shift) - odd;
  uint64_t whole = value / 4, tens = whole / 10;
  if (whole >= 10) {
    bool below = least <= 40 * tens, above = 40 * tens + 40 <= most;
    if (below != above)
      return (struct decimal){tens + above, k + 1};
  }
  bool below = least <= 4 * whole, above = 4 * whole + 4 <= most;
  if (below == above) /* both or none: the nearer one, of two as near the even one */
    above = value > 4 * whole + 2 || (value == 4 * whole + 2 && (whole & 1) != 0);
  return (struct decimal){whole + above, k};
}

static struct decimal decimal_of(uint64_t bits) {
  uint64_t mantissa = bits & (MANTISSA_HIDDEN - 1);
  int exponent = (int)(bits >> MANTISSA_BITS);
  bool uneven = mantissa == 0 && exponent > 1;
  if (exponent > 0)
    mantissa |= MANTISSA_HIDDEN;
  else
    exponent = 1;
  exponent -= EXPONENT_BIAS;
  struct decimal decimal;
  if (exponent <= 0 && exponent > -MANTISSA_BITS - 1 &&
      (mantissa & (((uint64_t)1 << -exponent) - 1)) == 0)
    decimal = (struct decimal){mantissa >> -exponent, 0}; /* an integer of at most 53 bits */
  else
    decimal = shortest(mantissa, exponent, uneven);
  while (decimal.digits % 10 == 0) {
    decimal.digits /= 10;
    decimal.exponent++;
  }
  return decimal;
}

/* Writes the digits that end before `end`; returns where they begin. */
static char *write_backwards(uint64_t value, char *end) {
  do
    *--end = (char)('0' + value % 10);
  while ((value /= 10) != 0);
  return end;
}

static char *append(char *out, const char *from, int length) {
  memcpy(out, from, (size_t)length);
  return out + length;
}

static char *append_zeros(char *out, int count) {
  memset(out, '0', (size_t)count);
  return out + count;
}

char *sora_number_write_integer(int64_t value, char *out) {
  char digits[20], *end = digits + sizeof digits;
  uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
  char *first = write_backwards(size, end);
  if (value < 0)
    *out++ = '-';
  return append(out, first, (int)(end - first));
}

char *sora_number_write_real(double value, bool fraction, char *out) {
  uint64_t bits;
  char digits[20], *end = digits + sizeof digits;
  memcpy(&bits, &value, sizeof bits);
  if (bits >> 63)
    *out++ = '-';
  bits &= UINT64_MAX >> 1;
  struct decimal decimal = {0, 0};
  if (bits != 0)
    decimal = decimal_of(bits);
  char *first = write_backwards(decimal.digits, end);
  int length = (int)(end - first), point = length + decimal.exponent;
  if (point > POINT_MOST || point < POINT_LEAST) {
    *out++ = *first;
    if (length > 1) {
      *out++ = '.';
      out = append(out, first + 1, length - 1);
    }
    *out++ = 'e';
    *out++ = point > 0 ? '+' : '-';
    first = write_backwards((uint64_t)(point > 0 ? point - 1 : 1 - point), end);
    return append(out, first, (int)(end - first));
  }
  if (point <= 0) {
    out = append(out, "0.", 2);
    return append(append_zeros(out, -point), first, length);
  }
  if (point < length) {
    out = append(out, first, point);
    *out++ = '.';
    return append(out, first + point, length - point);
  }
  out = append_zeros(append(out, first, length), point - length);
  return fraction ? append(out, ".0", 2) : out;
}
