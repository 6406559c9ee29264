#include "transfer/siphash.h"

/* Rounds for each word, and at the end; siphash_spec.lua has it built with others. */
#ifndef SIPHASH_ROUNDS
#define SIPHASH_ROUNDS 1, 3
#endif

/* Where the four words are handed to a function that is called, they live in memory: that is twice
   the instructions. */
#define INLINE __attribute__((always_inline)) static inline

static uint64_t rotate(uint64_t x, int bits) {
  return x << bits | x >> (64 - bits);
}

/* One round. */
INLINE void mix(uint64_t v[4]) {
  v[0] += v[1], v[2] += v[3];
  v[1] = rotate(v[1], 13) ^ v[0], v[3] = rotate(v[3], 16) ^ v[2];
  v[0] = rotate(v[0], 32);
  v[2] += v[1], v[0] += v[3];
  v[1] = rotate(v[1], 17) ^ v[2], v[3] = rotate(v[3], 21) ^ v[0];
  v[2] = rotate(v[2], 32);
}

/* Eight bytes, the lesser first: spelt so that compilers make one load of it. */
static uint64_t word_at(const unsigned char *at) {
  return (uint64_t)at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 | (uint64_t)at[3] << 24 |
         (uint64_t)at[4] << 32 | (uint64_t)at[5] << 40 | (uint64_t)at[6] << 48 |
         (uint64_t)at[7] << 56;
}

enum part { WORD, END };

INLINE void mix_for(uint64_t v[4], enum part part) {
  static const int rounds[] = {SIPHASH_ROUNDS};
  for (int i = 0; i < rounds[part]; i++)
    mix(v);
}

INLINE void take(uint64_t v[4], uint64_t word) {
  v[3] ^= word;
  mix_for(v, WORD);
  v[0] ^= word;
}

INLINE uint64_t result(uint64_t v[4]) {
  mix_for(v, END);
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void sora_siphash(const uint64_t key[2], const void *bytes, size_t length, uint64_t hash[2]) {
  /* "somepseudorandomlygeneratedbytes", and what tells 128 bits from 64 */
  uint64_t v[4] = {0x736F6D6570736575U ^ key[0], 0x646F72616E646F6DU ^ key[1] ^ 0xEE,
                   0x6C7967656E657261U ^ key[0], 0x7465646279746573U ^ key[1]};
  const unsigned char *at = bytes, *end = at + length - length % 8;
  uint64_t rest = (uint64_t)length << 56;
  for (; at < end; at += 8)
    take(v, word_at(at));
  for (size_t i = 0; i < length % 8; i++)
    rest |= (uint64_t)end[i] << (8 * i);
  take(v, rest);
  v[2] ^= 0xEE;
  hash[0] = result(v);
  v[1] ^= 0xDD;
  hash[1] = result(v);
}
