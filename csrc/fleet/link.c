#include "fleet/link_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transfer/backoff.h"
#include "transfer/process.h"
#include "transfer/text.h"
#include "transfer/timers.h"

static const double STEADY = 1; /* seconds: a connection that held so long was worth it */

static const char FORKED[] = "lost: the process was forked while it was in flight";

/* ---- what has ended ---- */

void sora_link_end(struct link *link, struct command *command, enum error_kind kind,
                   const char *message) {
  sora_command_drop_text(command);
  command->kind = kind;
  command->ended = 1;
  snprintf(command->message, sizeof command->message, "%s", message);
  sora_commands_append(&link->over, command);
}

static void end_all(struct link *link, struct command_list *list, enum error_kind kind,
                    const char *message) {
  struct command *command;
  while ((command = sora_commands_take(list)) != NULL)
    sora_link_end(link, command, kind, message);
}

struct command *sora_link_next(struct link *link) {
  struct command *command;
  while ((command = sora_commands_take(&link->over)) != NULL && command->orphan)
    sora_command_destroy(command);
  return command;
}

redisReply *sora_link_next_message(struct link *link) {
  struct message *message = link->first_message;
  if (message == NULL)
    return NULL;
  redisReply *reply = message->reply;
  link->first_message = message->next;
  if (link->first_message == NULL)
    link->last_message = NULL;
  free(message);
  return reply;
}

/* ---- the connection ---- */

redisReply *sora_link_next_reply(struct link *link) {
  if (link->state != LINK_GREETED || link->replies_taken == link->reply_count)
    return NULL;
  return link->replies[link->replies_taken++];
}

static void free_replies(struct link *link) {
  for (size_t i = link->replies_taken; i < link->reply_count; i++)
    freeReplyObject(link->replies[i]);
  link->reply_count = link->replies_taken = link->replies_due = 0;
  free(link->replies);
  link->replies = NULL;
}

void sora_link_disconnect(struct link *link) {
  if (link->context != NULL) {
    sora_link_want(link, 0);
    redisFree(link->context);
    link->context = NULL;
  }
  sora_dial_stop(&link->dial, &link->set);
  free_replies(link);
  if (link->state != LINK_CLOSED)
    link->state = LINK_IDLE;
}

void sora_link_lose(struct link *link, enum error_kind kind, const char *message) {
  char text[sizeof link->message];
  if (link->state == LINK_IDLE || link->state == LINK_CLOSED)
    return;
  snprintf(text, sizeof text, "%s", message); /* it may be the context's own */
  double now = sora_now();
  int steady = link->state == LINK_READY && now - link->ready >= STEADY;
  link->failures = steady ? 0 : link->failures + 1;
  link->again = steady ? now : now + sora_backoff(link->failures - 1);
  link->kind = kind;
  memcpy(link->message, text, sizeof text);
  sora_link_disconnect(link);
  end_all(link, &link->sent, kind, text);
  end_all(link, &link->queued, kind, text);
}

/* ---- life ---- */

int sora_link_fd(struct link *link) {
  if (link->state == LINK_CLOSED || !sora_pollset_init(&link->set))
    return -1;
  link->process = sora_process();
  link->exported = 1;
  sora_link_arm(link);
  return sora_pollset_fd(&link->set);
}

long sora_link_in_flight(const struct link *link) {
  return link->queued.count + link->sent.count + (link->keep ? 1 : 0);
}

void sora_link_send(struct link *link, struct command *command, char *text, size_t length) {
  command->text = text;
  command->length = length;
  command->deadline = sora_now() + link->settings.command_timeout;
  if (link->state == LINK_CLOSED)
    sora_link_end(link, command, ERROR_cancelled, "the connection was closed");
  else
    sora_commands_append(&link->queued, command);
  sora_link_arm(link);
}

void sora_link_keep(struct link *link, int keep) {
  link->keep = keep && link->state != LINK_CLOSED;
  sora_link_arm(link);
}

void sora_link_accept(struct link *link) {
  if (link->state != LINK_GREETED)
    return;
  free_replies(link);
  link->state = LINK_READY;
  link->ready = sora_now();
  link->connections++;
  sora_link_flush(link);
  sora_link_arm(link);
}

void sora_link_cancel(struct link *link, const char *why) {
  if (link->sent.first != NULL) /* their replies would be taken for others' */
    sora_link_lose(link, ERROR_cancelled, why);
  end_all(link, &link->queued, ERROR_cancelled, why);
  sora_link_arm(link);
}

void sora_link_set_greeting(struct link *link, struct greeting *greeting) {
  free(link->greeting.text);
  link->greeting = *greeting;
  *greeting = (struct greeting){0};
}

void sora_link_move(struct link *link, char *host, int port) {
  free(link->settings.address.host);
  link->settings.address.host = host;
  link->settings.address.port = port;
  link->moving = link->state != LINK_CLOSED;
}

/* In a child of fork: the socket is the parent's, and numbers may be other files by now. */
static void abandon(struct link *link) {
  if (link->context != NULL)
    redisFreeKeepFd(link->context);
  link->context = NULL;
  link->wanted = link->exported = 0;
  sora_dial_forget(&link->dial);
  sora_pollset_forget(&link->set);
  free_replies(link);
  if (link->state != LINK_CLOSED)
    link->state = LINK_IDLE;
  end_all(link, &link->sent, ERROR_cancelled, FORKED);
  end_all(link, &link->queued, ERROR_cancelled, FORKED);
  link->process = 0;
}

void sora_link_enter(struct link *link) {
  if (link->process != 0 && link->process != sora_process())
    abandon(link);
}

void sora_link_close(struct link *link) {
  if (link->state == LINK_CLOSED)
    return;
  link->keep = 0;
  sora_link_disconnect(link);
  link->state = LINK_CLOSED;
  end_all(link, &link->sent, ERROR_cancelled, "the connection was closed");
  end_all(link, &link->queued, ERROR_cancelled, "the connection was closed");
  redisReply *message;
  while ((message = sora_link_next_message(link)) != NULL)
    freeReplyObject(message);
  sora_pollset_close(&link->set);
  link->exported = 0;
}

struct link *sora_link_new(const struct link_settings *settings) {
  struct link *link = calloc(1, sizeof *link);
  if (link == NULL)
    return NULL;
  link->settings = *settings;
  link->dial.fd = -1;
  sora_pollset_preinit(&link->set);
  const struct address *from = &settings->address;
  struct address *to = &link->settings.address;
  to->host = sora_copy_text(from->host);
  to->path = sora_copy_text(from->path);
  link->tls = settings->tls ? sora_tls_new() : NULL;
  if ((from->host == NULL || to->host != NULL) && (from->path == NULL || to->path != NULL) &&
      (!settings->tls || link->tls != NULL))
    return link;
  sora_link_free(link);
  return NULL;
}

void sora_link_free(struct link *link) {
  struct command *command;
  if (link == NULL)
    return;
  sora_link_close(link);
  while ((command = sora_commands_take(&link->over)) != NULL)
    if (command->orphan)
      sora_command_destroy(command);
  sora_tls_free(link->tls);
  free(link->greeting.text);
  free(link->settings.address.host);
  free(link->settings.address.path);
  free(link);
}
