/*
 * Prints a hash a line: siphash LENGTH …, of the first LENGTH of the bytes 0, 1, 2 …, with the key
 * and the rounds of the test vectors that SipHash's authors have published.
 */
#include <stdio.h>
#include <stdlib.h>

#define SIPHASH_ROUNDS 2, 4
/* NOLINTNEXTLINE(bugprone-suspicious-include): the same code, with other rounds */
#include "transfer/siphash.c"

int main(int count, char **arguments) {
  static const uint64_t key[2] = {0x0706050403020100U, 0x0F0E0D0C0B0A0908U};
  unsigned char bytes[4096];
  for (size_t i = 0; i < sizeof bytes; i++)
    bytes[i] = (unsigned char)i;
  for (int i = 1; i < count; i++) {
    uint64_t hash[2];
    size_t length = strtoul(arguments[i], NULL, 10);
    if (length > sizeof bytes)
      return 2;
    sora_siphash(key, bytes, length, hash);
    for (int byte = 0; byte < 16; byte++)
      printf("%02x", (unsigned)(hash[byte / 8] >> (8 * (byte % 8)) & 0xFF));
    printf("\n");
  }
  return 0;
}
