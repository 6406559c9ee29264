/*
 * A set of sockets that can be waited for as one descriptor.
 *
 * On Linux that is an epoll descriptor with a timerfd inside. With SORA_POLLSET_POLL, or elsewhere,
 * it needs only poll(2): there is no descriptor to hand out then, and a host has to come back after
 * the timeout that it is told. Event bits are curl's (CURL_POLL_IN 1, CURL_POLL_OUT 2;
 * CURL_CSELECT_IN 1, _OUT 2, _ERR 4), so that nothing has to be translated; neither curl nor Lua is
 * known here. A set is closed from sora_pollset_preinit to sora_pollset_init; closing is
 * idempotent.
 */
#ifndef SORA_POLLSET_H
#define SORA_POLLSET_H

#include <stddef.h>

enum { POLLSET_IN = 1, POLLSET_OUT = 2, POLLSET_ERROR = 4 };

struct pollset_socket; /* what is known of one descriptor */

struct pollset {
  struct pollset_socket *sockets; /* indexed by descriptor */
  size_t socket_count;
  int epoll, timer;      /* descriptors, -1 when closed */
  double armed;          /* when the timerfd fires, 0: never */
  struct pollfd *polled; /* the poll(2) version's array */
  size_t polled_count, polled_capacity;
};

struct pollset_event {
  int fd;
  int events; /* POLLSET_ bits */
};

/* Makes a closed set of any memory. */
void sora_pollset_preinit(struct pollset *set);

/* Opens the set unless it is open. Returns 0 and sets errno when descriptors or memory are short.
 */
int sora_pollset_init(struct pollset *set);

void sora_pollset_close(struct pollset *set);

/* Tells that `fd` was opened for this set (owned) or is about to be closed (not owned any more). An
   owned descriptor may stay registered while nothing is wanted of it: it is forgotten when it is
   closed, and a connection that is used again costs no system call. Returns 0 when memory is short.
 */
int sora_pollset_own(struct pollset *set, int fd, int owned);

/* Wants `events` of `fd`; 0 for none. Returns 0 when memory or descriptors are short. */
int sora_pollset_want(struct pollset *set, int fd, int events);

/* The one descriptor, readable when something is ready or the armed time has come; -1 for the
 * poll(2) version. */
int sora_pollset_fd(const struct pollset *set);

/* Makes sora_pollset_fd readable at `due` (seconds, sora_now) at the latest; 0: nothing is due.
   Waking early is allowed: a time that is armed already is left where it is, and the next request
   finds it there; to disarm it and arm it again would take two system calls for each. */
void sora_pollset_arm(struct pollset *set, double due);

/* Waits up to `seconds` (0: not at all; negative: without limit) for events. Returns how many were
   written to `events`, 0 when time ran out, or -1 with errno (EINTR for a signal). */
int sora_pollset_wait(struct pollset *set, double seconds, struct pollset_event *events, int most);

/* Whether the one descriptor was closed by somebody else, and may be another file now: it is not
   touched any more then, and the set has to be closed. */
int sora_pollset_lost(struct pollset *set);

/* After fork, in the child: gives back the memory and touches no descriptor. Those of epoll and
   timerfd stay open: nothing tells whether their numbers are still the parent's copies. */
void sora_pollset_forget(struct pollset *set);

#endif
