/*
 * What link.c and step.c share: link.c has a link's life and what is asked of it from outside,
 * step.c what a step does.
 */
#ifndef SORA_LINK_PARTS_H
#define SORA_LINK_PARTS_H

#include "fleet/link.h"

/* ---- link.c ---- */

/* Ends a command that is in no list. */
void sora_link_end(struct link *link, struct command *command, enum error_kind kind,
                   const char *message);

/* Gives up the connection, and nothing else: no command has ended when this returns. */
void sora_link_disconnect(struct link *link);

/* ---- step.c ---- */

/* Wants these POLLSET_ bits of the context's socket. */
void sora_link_want(struct link *link, int events);

/* Sends what may be sent, as far as the socket takes it. */
void sora_link_flush(struct link *link);

/* Makes the descriptor readable when something is due. */
void sora_link_arm(struct link *link);

#endif
