/*
 * Commands to Redis, and lists of them. Lua is not known here.
 *
 * A command belongs to two: whoever holds it, and the list that it is in. It is freed when both
 * have let go of it.
 */
#ifndef SORA_COMMAND_H
#define SORA_COMMAND_H

#include <hiredis/hiredis.h>
#include <stddef.h>

#include "transfer/kinds.h"

/* One that has ended has a reply, or a kind and a message. */
struct command {
  struct command *next;
  char *text; /* as it is sent (redisFormatCommandArgv), until it is */
  size_t length;
  double deadline; /* sora_now */
  redisReply *reply;
  enum error_kind kind;
  int sent; /* some of it may have reached Redis */
  int tag;  /* for whoever has sent it */
  int in_list, ended;
  int orphan; /* nobody holds it but a list */
  char message[160];
};

struct command_list {
  struct command *first, *last;
  long count;
};

/* A command without a text, which nobody holds but the caller. NULL without memory. */
struct command *sora_command_new(void);

/* The caller lets go of it. NULL is none. */
void sora_command_free(struct command *command);

/* ---- for link.c and step.c ---- */

void sora_commands_append(struct command_list *list, struct command *command);

/* The first one, taken out, or NULL. */
struct command *sora_commands_take(struct command_list *list);

void sora_command_drop_text(struct command *command);

/* Frees one that is in no list. */
void sora_command_destroy(struct command *command);

#endif
