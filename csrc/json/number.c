#include "json/number.h"

#include <float.h>
#include <stdbool.h>
#include <string.h>

#include "json/big.h"
#include "json/powers.h"

/* So many decimal digits always fit a uint64_t. */
#define DIGITS_MAX 19

/* Below 10^POWER_MIN nineteen digits are less than half the least double, above 10^POWER_MAX one
   digit is more than the greatest. */
#define POWER_MIN (-342)
#define POWER_MAX 308

/* No double's neighbourhood depends on more digits than these; of the rest it matters only whether
   they are all zero. */
#define DIGITS_DECISIVE 770

#define MANTISSA_BITS 52
#define MANTISSA_HIDDEN ((uint64_t)1 << MANTISSA_BITS)
#define EXPONENT_BIAS 1023
#define BITS_INFINITY ((uint64_t)0x7ff << MANTISSA_BITS)

/* The bits of the double nearest to w * 10^q, w not 0, by the method of Eisel and Lemire (Lemire,
   "Number parsing at a gigabyte per second", 2021). *sure is false in the rare case that the 128
   bits cannot decide; the result is then at most one off. */
static uint64_t nearest_double(uint64_t w, int64_t q, bool *sure) {
  *sure = true;
  if (q < POWER_MIN)
    return 0;
  if (q > POWER_MAX)
    return BITS_INFINITY;
  struct power power = power_of_five(q);
  int zeros = leading_zeros(w);
  w <<= zeros;
  struct power product = multiply(w, power.high);
  if ((product.high & 0x1ff) == 0x1ff) {
    struct power rest = multiply(w, power.low);
    product.low += rest.high;
    product.high += product.low < rest.high;
    *sure = product.low != UINT64_MAX || (q >= -27 && q <= 55);
  }
  int top = (int)(product.high >> 63);
  int shift = 64 - MANTISSA_BITS - 3 + top;
  uint64_t mantissa = product.high >> shift; /* with one bit more than a double has */
  int64_t scaled = q * 217706;               /* floor(q * log2(10)), times 2^16 */
  int64_t log2 = (scaled - (scaled < 0 ? 65535 : 0)) / 65536;
  int64_t exponent = log2 + 63 + top - zeros + EXPONENT_BIAS;
  if (exponent <= 0) {
    if (exponent <= -63)
      return 0;
    mantissa >>= 1 - exponent;
    /* rounded up to the least normal double, it has just the bits of that */
    return (mantissa + (mantissa & 1)) >> 1;
  }
  /* Exactly half way: to even, which means down when the bit above the last is clear. */
  if (product.low <= 1 && q >= -4 && q <= 23 && (mantissa & 3) == 1 &&
      mantissa << shift == product.high)
    mantissa--;
  mantissa = (mantissa + (mantissa & 1)) >> 1;
  if (mantissa >= 2 * MANTISSA_HIDDEN) {
    mantissa = MANTISSA_HIDDEN;
    exponent++;
  }
  if (exponent >= 0x7ff)
    return BITS_INFINITY;
  return (mantissa & ~MANTISSA_HIDDEN) | (uint64_t)exponent << MANTISSA_BITS;
}

static bool is_digit(char c) {
  return (unsigned char)(c - '0') < 10;
}

/* A number without its sign, as written: the digits from `first` to `last`, perhaps with a point
   among them, as one integer times 10^exponent. Where there are more than DIGITS_MAX the first is
   not 0. */
struct decimal {
  const char *first, *last;
  int64_t digits, exponent;
};

/* Sets `big` to the digits, as far as they are decisive, and returns the power of ten that goes
 * with it. */
static int64_t big_read(struct big *big, const struct decimal *decimal) {
  int64_t exponent = decimal->exponent;
  int digits = 0;
  bool rest = false;
  sora_big_set(big, 0);
  for (const char *p = decimal->first; p < decimal->last; p++) {
    if (*p == '.')
      continue;
    if (digits == DIGITS_DECISIVE) {
      rest |= *p != '0';
      exponent++;
    } else {
      sora_big_multiply(big, 10, (uint32_t)(*p - '0'));
      digits++;
    }
  }
  if (rest) {
    sora_big_multiply(big, 10, 1);
    exponent--;
  }
  return exponent;
}

/* The sign of the number minus the middle between the double of these bits and the next one up. */
static int compare_to_middle(const struct decimal *decimal, uint64_t bits) {
  struct big number, middle;
  int64_t ten = big_read(&number, decimal);
  int64_t exponent = (int64_t)(bits >> MANTISSA_BITS);
  uint64_t mantissa = bits & (MANTISSA_HIDDEN - 1);
  if (exponent > 0)
    mantissa |= MANTISSA_HIDDEN;
  else
    exponent = 1;
  sora_big_set(&middle, 2 * mantissa + 1);
  int64_t two = exponent - EXPONENT_BIAS - MANTISSA_BITS - 1 - ten; /* of middle against number */
  if (ten >= 0)
    sora_big_multiply_power_of_five(&number, ten);
  else
    sora_big_multiply_power_of_five(&middle, -ten);
  sora_big_shift_left(two >= 0 ? &middle : &number, two >= 0 ? two : -two);
  return sora_big_compare(&number, &middle);
}

/* The bits of the nearest double by exact arithmetic, from a guess that is at most a few off. */
static uint64_t settle(const struct decimal *decimal, uint64_t bits) {
  for (;;) {
    int above = bits < BITS_INFINITY ? compare_to_middle(decimal, bits) : -1;
    int below = bits > 0 ? compare_to_middle(decimal, bits - 1) : 1;
    bool even = (bits & 1) == 0;
    if (above > 0 || (above == 0 && !even))
      bits++;
    else if (below < 0 || (below == 0 && !even))
      bits--;
    else
      return bits;
  }
}

/* More digits than a uint64_t holds: the number lies between the first nineteen of them and those
 * plus one. */
static uint64_t nearest_of_many_digits(const struct decimal *decimal) {
  uint64_t w = 0;
  int64_t exponent = decimal->exponent + decimal->digits - DIGITS_MAX;
  int digits = 0;
  for (const char *p = decimal->first; digits < DIGITS_MAX; p++)
    if (*p != '.') {
      w = w * 10 + (uint64_t)(*p - '0');
      digits++;
    }
  bool sure, sure_above;
  uint64_t bits = nearest_double(w, exponent, &sure);
  uint64_t above = nearest_double(w + 1, exponent, &sure_above);
  return sure && sure_above && bits == above ? bits : settle(decimal, bits);
}

#if FLT_EVAL_METHOD == 0
#define POWER_EXACT 22

static const double powers_exact[POWER_EXACT + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
#else
/* Intermediate results have more bits than a double: one operation would round twice. */
#define POWER_EXACT (-1)

static const double powers_exact[1] = {0};
#endif

/* The bits of the nearest double; w is the digits as one integer, unless there are too many. */
static uint64_t nearest(const struct decimal *decimal, uint64_t w) {
  if (decimal->digits > DIGITS_MAX)
    return nearest_of_many_digits(decimal);
  if (w == 0)
    return 0;
  bool sure;
  uint64_t bits = nearest_double(w, decimal->exponent, &sure);
  return sure ? bits : settle(decimal, bits);
}

static void convert(struct number *number, const struct decimal *decimal, uint64_t w,
                    bool negative) {
  double real;
  int64_t exponent = decimal->exponent;
  if (decimal->digits <= DIGITS_MAX && w <= 2 * MANTISSA_HIDDEN && exponent >= -POWER_EXACT &&
      exponent <= POWER_EXACT) {
    /* Both operands are exact, so that the one operation rounds once (Clinger 1990). */
    real = exponent < 0 ? (double)w / powers_exact[-exponent] : (double)w * powers_exact[exponent];
  } else {
    uint64_t bits = nearest(decimal, w);
    if (bits == BITS_INFINITY) {
      number->type = NUMBER_OVERFLOW;
      return;
    }
    memcpy(&real, &bits, sizeof real);
  }
  number->type = NUMBER_FLOAT;
  number->real = negative ? -real : real;
}

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && defined(__GNUC__)
/* Appends the digits among the next eight bytes, up to the first byte that is none, to w and
   returns how many they are; without a branch that depends on it, as that would often be
   mispredicted. */
static int read_eight(const char *p, uint64_t *w) {
  static const uint32_t powers_of_ten[9] = {1,      10,      100,      1000,     10000,
                                            100000, 1000000, 10000000, 100000000};
  uint64_t word;
  memcpy(&word, p, sizeof word);
  uint64_t digits = word - 0x3030303030303030;
  uint64_t others = ((word + 0x4646464646464646) | digits) & 0x8080808080808080;
  int count = others == 0 ? 8 : __builtin_ctzll(others) / 8;
  if (count == 0)
    return 0;
  digits <<= 64 - 8 * count;            /* zeros come in front */
  digits = digits * 10 + (digits >> 8); /* pairs, in every other byte */
  uint64_t low = (digits & 0x000000ff000000ff) * (100 + (UINT64_C(1000000) << 32));
  uint64_t high = (digits >> 16 & 0x000000ff000000ff) * (1 + (UINT64_C(10000) << 32));
  *w = *w * powers_of_ten[count] + ((low + high) >> 32);
  return count;
}
#else
static int read_eight(const char *p, uint64_t *w) {
  int count = 0;
  for (; count < 8 && is_digit(p[count]); count++)
    *w = *w * 10 + (uint64_t)(p[count] - '0');
  return count;
}
#endif

/* Appends the digits at p to w, whose value means nothing when there are more than it can hold. */
static const char *read_digits(const char *p, const char *end, uint64_t *w) {
  while (end - p >= 8) {
    int count = read_eight(p, w);
    p += count;
    if (count < 8)
      return p;
  }
  for (; p < end && is_digit(*p); p++)
    *w = *w * 10 + (uint64_t)(*p - '0');
  return p;
}

/* Reads the digits of an exponent; beyond 10^12, more than any text has digits, its size does not
 * matter. */
static const char *read_exponent(const char *p, const char *end, int64_t *exponent) {
  bool negative = p < end && *p == '-';
  if (p < end && (*p == '-' || *p == '+'))
    p++;
  int64_t value = 0;
  for (; p < end && is_digit(*p); p++)
    if (value < 1000000000000)
      value = value * 10 + (*p - '0');
  *exponent += negative ? -value : value;
  return p;
}

/* Counts the digits; zeros in front, which say nothing, are left out where that can matter. */
static void count_digits(struct decimal *decimal, bool fraction) {
  decimal->digits = decimal->last - decimal->first - fraction;
  if (decimal->digits <= DIGITS_MAX)
    return;
  for (; decimal->first < decimal->last; decimal->first++) {
    if (*decimal->first == '.')
      fraction = false;
    else if (*decimal->first != '0')
      break;
  }
  decimal->digits = decimal->last - decimal->first - fraction;
}

/* Reads what follows the digits before the point, whose value is w. */
static const char *read_float(const char *first, const char *p, const char *end, uint64_t w,
                              bool negative, struct number *number) {
  struct decimal decimal = {first, p, 0, 0};
  bool fraction = p < end && *p == '.';
  if (fraction) {
    const char *digits = ++p;
    p = read_digits(p, end, &w);
    if (p == digits)
      return p;
    decimal.exponent = digits - p;
  }
  decimal.last = p;
  count_digits(&decimal, fraction);
  if (p < end && (*p | 0x20) == 'e') {
    p = read_exponent(p + 1, end, &decimal.exponent);
    if (!is_digit(p[-1]))
      return p;
  }
  convert(number, &decimal, w, negative);
  return p;
}

const char *sora_number_read(const char *text, const char *end, struct number *number) {
  const char *p = text;
  bool negative = p < end && *p == '-';
  p += negative;
  const char *first = p;
  uint64_t w = 0;
  number->type = NUMBER_MALFORMED;
  if (p == end || !is_digit(*p))
    return p;
  p = *p == '0' ? p + 1 : read_digits(p, end, &w);
  bool whole = p == end || (*p != '.' && (*p | 0x20) != 'e');
  if (whole && p - first <= DIGITS_MAX && w <= (uint64_t)INT64_MAX + negative &&
      (w > 0 || !negative)) {
    number->type = NUMBER_INTEGER;
    number->integer = negative ? (int64_t)(0 - w) : (int64_t)w;
    return p;
  }
  return read_float(first, p, end, w, negative, number);
}
