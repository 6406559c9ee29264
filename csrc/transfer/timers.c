#include "transfer/timers.h"

#include <stdlib.h>
#include <time.h>

#include "transfer/array.h"

double sora_now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void place(struct timers *timers, struct timer *timer, size_t index) {
  timers->heap[index] = timer;
  timer->index = index;
}

static void sift_up(struct timers *timers, struct timer *timer, size_t index) {
  while (index > 1 && timers->heap[index / 2]->due > timer->due) {
    place(timers, timers->heap[index / 2], index);
    index /= 2;
  }
  place(timers, timer, index);
}

static void sift_down(struct timers *timers, struct timer *timer, size_t index) {
  for (;;) {
    size_t child = index * 2;
    if (child > timers->count)
      break;
    if (child < timers->count && timers->heap[child + 1]->due < timers->heap[child]->due)
      child++;
    if (timers->heap[child]->due >= timer->due)
      break;
    place(timers, timers->heap[child], index);
    index = child;
  }
  place(timers, timer, index);
}

int sora_timers_add(struct timers *timers, struct timer *timer, double due) {
  size_t wanted = timers->count + 2; /* the first place is not used */
  struct timer **heap =
      sora_array_reserve(timers->heap, &timers->capacity, wanted, sizeof(struct timer *));
  if (heap == NULL)
    return 0;
  timers->heap = heap;
  timer->due = due;
  sift_up(timers, timer, ++timers->count);
  return 1;
}

void sora_timers_remove(struct timers *timers, struct timer *timer) {
  size_t index = timer->index;
  if (index == 0)
    return;
  timer->index = 0;
  struct timer *last = timers->heap[timers->count--];
  if (last == timer)
    return;
  if (index > 1 && timers->heap[index / 2]->due > last->due)
    sift_up(timers, last, index);
  else
    sift_down(timers, last, index);
}

struct timer *sora_timers_first(const struct timers *timers) {
  return timers->count ? timers->heap[1] : NULL;
}

void sora_timers_free(struct timers *timers) {
  free(timers->heap);
  timers->heap = NULL;
  timers->count = timers->capacity = 0;
}
