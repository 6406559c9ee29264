#include "json/powers.h"

#include "json/big.h"

struct power sora_powers[POWER_LAST - POWER_FIRST + 1];
pthread_once_t sora_powers_once = PTHREAD_ONCE_INIT;

static struct power first_bits(const struct big *big) {
  uint64_t word[5] = {0};
  for (int i = 0; i < 5 && i < big->length; i++)
    word[i] = big->word[big->length - 1 - i];
  int shift = leading_zeros(word[0]) - 32;
  struct power first = {word[0] << 32 | word[1], word[2] << 32 | word[3]};
  if (shift > 0) {
    first.high = first.high << shift | first.low >> (64 - shift);
    first.low = first.low << shift | word[4] >> (32 - shift);
  }
  return first;
}

/* Exact powers upwards; downwards floor(2^960 / 5^n), which dividing by five again and again gives
   exactly, and whose last, for 5^342, still has 165 bits. The method wants those down to 5^-27,
   where a product can be exact, rounded up, and all others cut off. */
void sora_powers_compute(void) {
  struct big big;
  sora_big_set(&big, 1);
  for (int q = 0; q <= POWER_LAST; q++) {
    sora_powers[q - POWER_FIRST] = first_bits(&big);
    sora_big_multiply(&big, 5, 0);
  }
  sora_big_set(&big, 1);
  sora_big_shift_left(&big, 960);
  for (int q = -1; q >= POWER_FIRST; q--) {
    sora_big_divide_by_five(&big);
    struct power first = first_bits(&big);
    if (q >= -27 && ++first.low == 0)
      first.high++;
    sora_powers[q - POWER_FIRST] = first;
  }
}
