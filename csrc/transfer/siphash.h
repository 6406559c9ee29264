/*
 * SipHash-1-3 with 128 bits (Aumasson and Bernstein, 2012; github.com/veorq/SipHash): a hash of
 * bytes for which nobody who does not know the key can find two texts that have the same. One round
 * for each word and three at the end are what Rust's and Python's tables and rustc's fingerprints
 * have; two and four, for which its authors have published vectors, take 1.7 times as long.
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
