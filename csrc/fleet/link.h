/*
 * A link: one connection to one Redis, which comes back by itself, and the commands on it.
 *
 * Commands are answered in the order in which they were written (pipelining), each within
 * `command_timeout`. They wait in `queued` while there is no connection: the first of them has one
 * made. Once it stands, the greeting is sent (AUTH, SELECT and their like) and its replies are kept
 * for whoever judges them; only sora_link_accept lets commands pass. What fails ends the commands
 * that waited for it, and the next attempt comes after a pause (backoff.h).
 *
 *   IDLE ──► DIALING ──► GREETING ──► GREETED ──accept──► READY
 *    ▲          │            │           │ refuse           │
 *    └──────────┴────────────┴───────────┴──────────────────┘   lost; CLOSED from anywhere
 *
 * Of hiredis it takes the context that does not block, on a socket of our own (redisBufferRead,
 * redisBufferWrite, redisGetReply): that is what hiredis' asynchronous interface is made of. That
 * itself is left out: it aborts the process (assert, also in Debian's build) at a reply that nobody
 * asked for, and frees its context inside callbacks. Here such a reply ends the connection.
 *
 * Nothing here calls back or waits, and Lua is not known: whoever owns a link steps it, and takes
 * what has ended. A subscriber's link tells messages from replies; any other takes all for replies.
 */
#ifndef SORA_LINK_H
#define SORA_LINK_H

#include <hiredis/hiredis.h>
#include <stddef.h>

#include "fleet/command.h"
#include "fleet/dial.h"
#include "fleet/tls.h"
#include "transfer/kinds.h"
#include "transfer/pollset.h"

enum link_state { LINK_IDLE, LINK_DIALING, LINK_GREETING, LINK_GREETED, LINK_READY, LINK_CLOSED };

struct message {
  struct message *next;
  redisReply *reply;
};

/* What each connection begins with: commands as they are sent, one after the other. */
struct greeting {
  char *text;
  size_t length, count;
};

struct link_settings {
  struct address address;                  /* copied */
  double connect_timeout, command_timeout; /* seconds */
  int tls;
  int subscriber; /* messages may come, which no command asked for */
};

struct link {
  enum link_state state;
  struct link_settings settings;
  unsigned process; /* that opened what it has, 0: nothing */
  struct pollset set;
  int exported; /* somebody polls the descriptor */
  struct dial dial;
  redisContext *context;
  struct tls *tls; /* NULL: none */
  int moving;      /* to another address, when `sent` is empty */
  int wanted;      /* POLLSET_ bits, of the context's socket */
  double greeted;  /* when the greeting has to be over */
  double ready;    /* since when commands pass */
  double used;     /* when something was sent or came last */
  struct command_list queued, sent, over;
  struct greeting greeting;
  redisReply **replies; /* to the greeting of this connection: those that have come, … */
  size_t reply_count, replies_taken, replies_due; /* … those of them that were taken, and all */
  struct message *first_message, *last_message;
  int keep;                  /* stays connected though no command waits */
  long failures;             /* attempts since the last that was worth it */
  double again;              /* no attempt before */
  unsigned long connections; /* that were accepted */
  enum error_kind kind;      /* of the last failure, and … */
  char message[160];         /* … what was the matter */
};

/* NULL without memory. */
struct link *sora_link_new(const struct link_settings *settings);

/* Closes and frees it. Commands that somebody holds stay, ended. */
void sora_link_free(struct link *link);

/* To be called before anything else is done with a link. In a child of fork the connection is the
   parent's: what was in flight has ended, as cancelled, and not a byte of it reaches Redis. */
void sora_link_enter(struct link *link);

/* Takes the greeting over, for the next connection. */
void sora_link_set_greeting(struct link *link, struct greeting *greeting);

/* The next of the replies to it, the caller's (freeReplyObject), or NULL; only when the link is
   LINK_GREETED. */
redisReply *sora_link_next_reply(struct link *link);

/* Lets commands pass; only when the link is LINK_GREETED. */
void sora_link_accept(struct link *link);

/* Ends the connection, or the attempt, with what waits for it. */
void sora_link_lose(struct link *link, enum error_kind kind, const char *message);

/* Goes to another address once the commands in flight have been answered: they are where they were
   sent. Takes `host` over, which is one of malloc's. */
void sora_link_move(struct link *link, char *host, int port);

/* Stays connected from now on, or not. */
void sora_link_keep(struct link *link, int keep);

/* Sends it, with the next step; takes the text over (redisFormatCommandArgv). */
void sora_link_send(struct link *link, struct command *command, char *text, size_t length);

/* The next command that has ended, told once, or NULL. */
struct command *sora_link_next(struct link *link);

/* The next message, the caller's (freeReplyObject), or NULL. */
redisReply *sora_link_next_message(struct link *link);

/* Does what is due, and never waits. */
void sora_link_step(struct link *link);

/* Ends all commands, as cancelled. */
void sora_link_cancel(struct link *link, const char *why);

/* Idempotent. */
void sora_link_close(struct link *link);

/* As sora_client_fd and sora_client_timeout. */
int sora_link_fd(struct link *link);
double sora_link_timeout(const struct link *link);

/* Commands that have not ended; one more for a link that is to stay. */
long sora_link_in_flight(const struct link *link);

#endif
