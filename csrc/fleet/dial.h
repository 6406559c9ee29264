/*
 * From an address to a connected socket, without waiting: names on a thread, each address of a host
 * in its turn, all within a time of ours.
 *
 * Neither Lua nor hiredis is known here. What is waited for is wanted of the pollset; whoever dials
 * calls sora_dial_go_on whenever that is ready, and at sora_dial_due.
 */
#ifndef SORA_DIAL_H
#define SORA_DIAL_H

#include <stddef.h>

#include "transfer/kinds.h"
#include "transfer/pollset.h"

struct addrinfo;
struct lookup;

/* Where Redis is: a host and a port, or the path of a Unix socket. */
struct address {
  char *host; /* NULL: path counts */
  int port;
  char *path;
};

enum dial_state {
  DIAL_IDLE,
  DIAL_WAITING,   /* for the name, or for a socket */
  DIAL_CONNECTED, /* the socket is to be taken */
  DIAL_FAILED     /* kind and message say why */
};

/* One that is all zero, but for fd, which is -1, is idle. */
struct dial {
  enum dial_state state;
  struct lookup *lookup;
  struct addrinfo *found, *next; /* all addresses; the next to try */
  int fd;                        /* the socket that is being connected, -1: none */
  double over, due;              /* seconds, sora_now: of all, of this socket */
  enum error_kind kind;
  char message[128];
};

/* Begins, with the time of sora_now at which it has to be over. */
void sora_dial_start(struct dial *dial, const struct address *address, struct pollset *set,
                     double over);

/* Goes on as far as it can. */
void sora_dial_go_on(struct dial *dial, struct pollset *set);

/* When it has something to do though nothing is ready. */
double sora_dial_due(const struct dial *dial);

/* The connected socket, the caller's from now on, without events that are wanted of it. */
int sora_dial_take(struct dial *dial, struct pollset *set);

/* Gives up what is under way. */
void sora_dial_stop(struct dial *dial, struct pollset *set);

/* The same in a child of fork, where it is the parent's: no descriptor is touched. */
void sora_dial_forget(struct dial *dial);

#endif
