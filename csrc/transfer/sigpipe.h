/*
 * SIGPIPE, held back around what may write to a socket with write(2): the libraries that do so
 * raise it on a connection that the other side has reset, and the signal would end the process.
 *
 * Neither Lua nor curl is known here.
 */
#ifndef SORA_SIGPIPE_H
#define SORA_SIGPIPE_H

#include <signal.h>

struct sigpipe_guard {
  sigset_t before;
  int active;
};

/* Holds the signal back in this thread. One that was pending before is somebody else's: then
   nothing is done. */
void sora_sigpipe_hold(struct sigpipe_guard *guard);

/* Takes one of our making, and gives the thread its mask back. Leaves errno alone. */
void sora_sigpipe_release(const struct sigpipe_guard *guard);

#endif
