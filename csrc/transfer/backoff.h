/*
 * The pause before another attempt: the one rule for all that is tried again by itself.
 */
#ifndef SORA_BACKOFF_H
#define SORA_BACKOFF_H

/* Seconds after so many failures since the last success (0: the first has just been): half a
   second, doubled each time, 8 at most, of which chance takes away up to a quarter. */
double sora_backoff(long failures);

#endif
