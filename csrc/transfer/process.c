#include "transfer/process.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/random.h>
#endif

static unsigned number = 1;
static uint64_t key[2];
static volatile unsigned *mark; /* 1, and 0 in a child that has not asked yet */
static unsigned plain_mark = 1;
static pthread_once_t once = PTHREAD_ONCE_INIT;

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

static void in_child(void) {
  plain_mark = 0;
}

/* A page that the kernel empties in a child (madvise(2), MADV_WIPEONFORK); where there is none of
   the kind, pthread_atfork, which only fork(3) obeys. */
static void set_up(void) {
  key[0] = seed();
  key[1] = seed();
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

const uint64_t *sora_process_key(void) {
  pthread_once(&once, set_up);
  return key;
}

/* splitmix64 (Steele, Lea and Flood, 2014): one addition moves it on, for all threads. */
double sora_random(void) {
  static _Atomic uint64_t state;
  static _Atomic unsigned seeded; /* for the process of that number */
  unsigned process = sora_process();
  if (atomic_exchange(&seeded, process) != process)
    atomic_store(&state, seed());
  uint64_t z = atomic_fetch_add(&state, 0x9E3779B97F4A7C15U) + 0x9E3779B97F4A7C15U;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  z ^= z >> 31;
  return (double)(z >> 11) / 9007199254740992.0;
}
