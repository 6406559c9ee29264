/*
 * The monotonic clock, and a heap of deadlines on it.
 *
 * A timer lives inside whatever waits; the heap holds pointers. Knows neither Lua nor curl.
 * A heap that is all zero is valid and empty; a timer with index 0 is in no heap.
 */
#ifndef SORA_TIMERS_H
#define SORA_TIMERS_H

#include <stddef.h>

struct timer {
  double due;   /* seconds, on the clock of sora_now */
  size_t index; /* place in the heap, from 1; 0: not in it */
};

struct timers {
  struct timer **heap; /* heap[1 .. count] */
  size_t count, capacity;
};

/* Seconds since some fixed moment; never goes back (clock_gettime, CLOCK_MONOTONIC). */
double sora_now(void);

/* Puts a timer that is in no heap into this one. Returns 0 when there is no memory for it. */
int sora_timers_add(struct timers *timers, struct timer *timer, double due);

/* Takes a timer out. One that is in no heap is left alone. */
void sora_timers_remove(struct timers *timers, struct timer *timer);

/* The earliest timer, or NULL. */
struct timer *sora_timers_first(const struct timers *timers);

void sora_timers_free(struct timers *timers);

#endif
