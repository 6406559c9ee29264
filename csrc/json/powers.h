/*
 * Powers of five, to 128 bits: what reading and writing doubles have in common. Within json/ only.
 */
#ifndef SORA_JSON_POWERS_H
#define SORA_JSON_POWERS_H

#include <pthread.h>
#include <stdint.h>

#define POWER_FIRST (-342)
#define POWER_LAST 324

/* The first 128 bits of a power of five, the first of them set. Exact from 5^0 to 5^55; rounded up
   from 5^-27 to 5^-1; all others cut off. */
struct power {
  uint64_t high, low;
};

extern struct power sora_powers[POWER_LAST - POWER_FIRST + 1];
extern pthread_once_t sora_powers_once;
void sora_powers_compute(void);

static inline struct power power_of_five(int64_t q) {
  pthread_once(&sora_powers_once, sora_powers_compute); /* 50 us that many a program never needs */
  return sora_powers[q - POWER_FIRST];
}

/* Of a word that is not 0. */
static inline int leading_zeros(uint64_t word) {
#ifdef __GNUC__
  return __builtin_clzll(word);
#else
  int zeros = 0;
  for (; !(word >> 63); word <<= 1)
    zeros++;
  return zeros;
#endif
}

/* The 128 bits of a product. */
static inline struct power multiply(uint64_t a, uint64_t b) {
#ifdef __SIZEOF_INT128__
  __extension__ unsigned __int128 product = (unsigned __int128)a * b;
  return (struct power){(uint64_t)(product >> 64), (uint64_t)product};
#else
  uint64_t a1 = a >> 32, a0 = a & 0xffffffff, b1 = b >> 32, b0 = b & 0xffffffff;
  uint64_t middle = a1 * b0 + (a0 * b0 >> 32);
  uint64_t other = a0 * b1 + (middle & 0xffffffff);
  return (struct power){a1 * b1 + (middle >> 32) + (other >> 32), a * b};
#endif
}

#endif
