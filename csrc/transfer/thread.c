#include "transfer/thread.h"

#include <pthread.h>
#include <signal.h>

int sora_thread_start(void *(*run)(void *), void *argument) {
  pthread_t thread;
  pthread_attr_t attributes;
  sigset_t all, before;
  int failure = pthread_attr_init(&attributes);
  if (failure != 0)
    return failure;
  sigfillset(&all);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  failure = pthread_create(&thread, &attributes, run, argument);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return failure;
}
