/*
 * Natural numbers of some 4,000 bits, for what 128 bits cannot decide. Within json/ only.
 */
#ifndef SORA_JSON_BIG_H
#define SORA_JSON_BIG_H

#include <stdint.h>

/* Least significant word first, without leading zero words. The greatest one needed has about 2,700
   bits: the digits that decide between two doubles, or 5^1095 times a mantissa. */
struct big {
  int length;
  uint32_t word[128];
};

void sora_big_set(struct big *big, uint64_t value);

/* big = big * factor + addend */
void sora_big_multiply(struct big *big, uint32_t factor, uint32_t addend);

/* big = floor(big / 5), of one that is not 0 */
void sora_big_divide_by_five(struct big *big);

/* big = big * 5^exponent */
void sora_big_multiply_power_of_five(struct big *big, int64_t exponent);

void sora_big_shift_left(struct big *big, int64_t bits);

/* The sign of a - b. */
int sora_big_compare(const struct big *a, const struct big *b);

#endif
