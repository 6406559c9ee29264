#include "transfer/sigpipe.h"

#include <errno.h>
#include <stddef.h>
#include <time.h>

static sigset_t only_sigpipe(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  return set;
}

void sora_sigpipe_hold(struct sigpipe_guard *guard) {
  sigset_t set = only_sigpipe(), pending;
  guard->active = 0;
  sigemptyset(&pending);
  sigpending(&pending);
  if (!sigismember(&pending, SIGPIPE))
    guard->active = pthread_sigmask(SIG_BLOCK, &set, &guard->before) == 0;
}

void sora_sigpipe_release(const struct sigpipe_guard *guard) {
  if (!guard->active)
    return;
  const struct timespec at_once = {0};
  sigset_t set = only_sigpipe();
  int failure = errno;
  while (sigtimedwait(&set, NULL, &at_once) < 0 && errno == EINTR)
    ;
  pthread_sigmask(SIG_SETMASK, &guard->before, NULL);
  errno = failure;
}
