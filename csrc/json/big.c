#include "json/big.h"

#include <string.h>

void sora_big_set(struct big *big, uint64_t value) {
  big->word[0] = (uint32_t)value;
  big->word[1] = (uint32_t)(value >> 32);
  big->length = big->word[1] != 0 ? 2 : big->word[0] != 0;
}

void sora_big_multiply(struct big *big, uint32_t factor, uint32_t addend) {
  uint64_t carry = addend;
  for (int i = 0; i < big->length; i++) {
    carry += (uint64_t)big->word[i] * factor;
    big->word[i] = (uint32_t)carry;
    carry >>= 32;
  }
  if (carry != 0)
    big->word[big->length++] = (uint32_t)carry;
}

void sora_big_divide_by_five(struct big *big) {
  uint64_t rest = 0;
  for (int i = big->length - 1; i >= 0; i--) {
    rest = rest << 32 | big->word[i];
    big->word[i] = (uint32_t)(rest / 5);
    rest %= 5;
  }
  if (big->word[big->length - 1] == 0)
    big->length--;
}

void sora_big_multiply_power_of_five(struct big *big, int64_t exponent) {
  for (; exponent >= 13; exponent -= 13)
    sora_big_multiply(big, 1220703125, 0);
  for (; exponent > 0; exponent--)
    sora_big_multiply(big, 5, 0);
}

void sora_big_shift_left(struct big *big, int64_t bits) {
  int words = (int)(bits / 32);
  sora_big_multiply(big, (uint32_t)1 << (bits % 32), 0);
  memmove(big->word + words, big->word, sizeof(uint32_t) * (size_t)big->length);
  memset(big->word, 0, sizeof(uint32_t) * (size_t)words);
  big->length += words;
}

int sora_big_compare(const struct big *a, const struct big *b) {
  if (a->length != b->length)
    return a->length < b->length ? -1 : 1;
  for (int i = a->length - 1; i >= 0; i--)
    if (a->word[i] != b->word[i])
      return a->word[i] < b->word[i] ? -1 : 1;
  return 0;
}
