/*
 * Whether this is still the process that opened something, and chance.
 *
 * Neither Lua nor curl is known here.
 */
#ifndef SORA_PROCESS_H
#define SORA_PROCESS_H

#include <stdint.h>

/* The number of this process: another one in each child of fork (or clone), whatever its pid, which
   may be its parent's in a namespace of its own. Costs no system call. */
unsigned sora_process(void);

/* A number from 0 up to 1, for pauses: seeded by the kernel, and again in a child of fork, so that
   forked workers do not share their chance. Nothing depends on its being unpredictable. */
double sora_random(void);

/* Two numbers that no service knows, the same in the children of this process: a key for hashes. */
const uint64_t *sora_process_key(void);

#endif
