#include "transfer/process.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/random.h>
#endif

static unsigned number = 1;
static volatile unsigned *mark; /* 1, and 0 in a child that has not asked yet */
static unsigned plain_mark = 1;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void in_child(void) {
  plain_mark = 0;
}

/* A page that the kernel empties in a child (madvise(2), MADV_WIPEONFORK); where there is none of
   the kind, pthread_atfork, which only fork(3) obeys. */
static void set_up(void) {
#ifdef MADV_WIPEONFORK
  size_t size = (size_t)sysconf(_SC_PAGESIZE);
  void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page != MAP_FAILED && madvise(page, size, MADV_WIPEONFORK) == 0) {
    mark = page;
    *mark = 1;
    return;
  }
  if (page != MAP_FAILED)
    munmap(page, size);
#endif
  mark = &plain_mark;
  pthread_atfork(NULL, NULL, in_child);
}

unsigned sora_process(void) {
  pthread_once(&once, set_up);
  if (*mark == 0) { /* right after fork: there is no other thread */
    number++;
    *mark = 1;
  }
  return number;
}

static uint64_t seed(void) {
  uint64_t bits = 0;
#ifdef __linux__
  if (getrandom(&bits, sizeof bits, GRND_NONBLOCK) == sizeof bits && bits != 0)
    return bits;
#endif
  struct timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  return ((uint64_t)time.tv_nsec << 32 ^ (uint64_t)time.tv_sec ^ (uint64_t)getpid() << 16 ^
          (uint64_t)(uintptr_t)&bits) |
         1;
}

double sora_random(void) {
  static _Thread_local uint64_t state;
  static _Thread_local unsigned seeded; /* for the process of that number */
  unsigned process = sora_process();
  if (seeded != process) {
    state = seed();
    seeded = process;
  }
  /* xorshift64*, Vigna 2016 */
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return (double)((state * 2685821657736338717ULL) >> 11) / 9007199254740992.0;
}
