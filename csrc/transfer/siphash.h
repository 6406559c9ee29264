/*
 * SipHash-2-4 with 128 bits (Aumasson and Bernstein, 2012; github.com/veorq/SipHash): a hash of
 * bytes for which nobody who does not know the key can find two texts that have the same.
 *
 * Knows nothing of the rest of the module.
 */
#ifndef SORA_SIPHASH_H
#define SORA_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

/* The hash of `length` bytes, in `hash`, as two numbers of the lesser byte first. */
void sora_siphash(const uint64_t key[2], const void *bytes, size_t length, uint64_t hash[2]);

#endif
