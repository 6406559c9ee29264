#include "fleet/link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transfer/backoff.h"
#include "transfer/process.h"
#include "transfer/sigpipe.h"
#include "transfer/text.h"
#include "transfer/timers.h"

static const double STEADY = 1;   /* seconds: a connection that held so long was worth it */
static const double STALE = 1;    /* … unused: Redis may have closed it meanwhile */
static const double SLICE = 2e-3; /* of a step, for what comes */

static const char FORKED[] = "lost: the process was forked while it was in flight";
static const char NO_MEMORY[] = "not enough memory";

/* ---- commands and lists ---- */

static void append(struct command_list *list, struct command *command) {
  command->next = NULL;
  command->in_list = 1;
  *(list->last != NULL ? &list->last->next : &list->first) = command;
  list->last = command;
  list->count++;
}

static struct command *take_first(struct command_list *list) {
  struct command *command = list->first;
  if (command == NULL)
    return NULL;
  list->first = command->next;
  if (list->first == NULL)
    list->last = NULL;
  list->count--;
  command->in_list = 0;
  return command;
}

static void drop_text(struct command *command) {
  if (command->text != NULL)
    redisFreeCommand(command->text);
  command->text = NULL;
}

static void destroy(struct command *command) {
  drop_text(command);
  if (command->reply != NULL)
    freeReplyObject(command->reply);
  free(command);
}

struct command *sora_command_new(void) {
  return calloc(1, sizeof(struct command));
}

void sora_command_free(struct command *command) {
  if (command != NULL && command->in_list)
    command->orphan = 1;
  else if (command != NULL)
    destroy(command);
}

/* Ends a command that is in no list. */
static void end(struct link *link, struct command *command, enum error_kind kind,
                const char *message) {
  drop_text(command);
  command->kind = kind;
  command->ended = 1;
  snprintf(command->message, sizeof command->message, "%s", message);
  append(&link->over, command);
}

static void end_all(struct link *link, struct command_list *list, enum error_kind kind,
                    const char *message) {
  struct command *command;
  while ((command = take_first(list)) != NULL)
    end(link, command, kind, message);
}

struct command *sora_link_next(struct link *link) {
  struct command *command;
  while ((command = take_first(&link->over)) != NULL && command->orphan)
    destroy(command);
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

static void want(struct link *link, int events) {
  if (events == link->wanted)
    return;
  if (sora_pollset_want(&link->set, link->context->fd, events))
    link->wanted = events;
}

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

static void disconnect(struct link *link) {
  if (link->context != NULL) {
    want(link, 0);
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
  disconnect(link);
  end_all(link, &link->sent, kind, text);
  end_all(link, &link->queued, kind, text);
}

/* The commands of the greeting are written first, in one go. */
static void greet(struct link *link) {
  int fd = sora_dial_take(&link->dial, &link->set);
  link->context = redisConnectFd(fd);
  if (link->context == NULL || link->context->err != 0) {
    if (link->context == NULL)
      close(fd);
    sora_link_lose(link, ERROR_memory, NO_MEMORY);
    return;
  }
  link->context->flags &= ~REDIS_BLOCK;
  link->wanted = 0;
  link->replies_due = link->greeting.count;
  link->replies = calloc(link->replies_due + 1, sizeof *link->replies);
  link->state = link->replies_due > 0 ? LINK_GREETING : LINK_GREETED;
  link->used = sora_now();
  if (link->replies == NULL || redisAppendFormattedCommand(link->context, link->greeting.text,
                                                           link->greeting.length) != REDIS_OK) {
    sora_link_lose(link, ERROR_memory, NO_MEMORY);
    return;
  }
  want(link, POLLSET_IN | POLLSET_OUT);
}

static void follow_dial(struct link *link) {
  if (link->dial.state == DIAL_CONNECTED)
    greet(link);
  else if (link->dial.state == DIAL_FAILED)
    sora_link_lose(link, link->dial.kind, link->dial.message);
}

/* Begins to connect where somebody waits for that. */
static void begin(struct link *link) {
  if (link->state != LINK_IDLE || (link->queued.first == NULL && !link->keep) ||
      sora_now() < link->again)
    return;
  link->process = sora_process();
  link->state = LINK_DIALING;
  if (!sora_pollset_init(&link->set)) {
    sora_link_lose(link, ERROR_connect, strerror(errno));
    return;
  }
  link->greeted = sora_now() + link->settings.connect_timeout;
  sora_dial_start(&link->dial, &link->settings.address, &link->set, link->greeted);
  follow_dial(link);
}

/* Whether Redis has closed a connection that nobody has used for a while: a command that is sent on
   it would be lost. */
static int is_stale(const struct link *link) {
  char byte;
  if (sora_now() - link->used < STALE || link->sent.first != NULL)
    return 0;
  ssize_t size = recv(link->context->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR);
}

/* Another connection with the next step: nothing is lost, for nothing was sent. */
static void start_over(struct link *link) {
  disconnect(link);
  link->again = 0;
}

/* Hands to hiredis what may be sent. */
static void pass(struct link *link) {
  struct command *command;
  if (link->moving && link->sent.first == NULL) {
    start_over(link);
    link->moving = 0;
  }
  if (link->state != LINK_READY || link->queued.first == NULL || link->moving)
    return;
  if (is_stale(link)) {
    start_over(link);
    return;
  }
  link->used = sora_now();
  while ((command = take_first(&link->queued)) != NULL) {
    int passed = redisAppendFormattedCommand(link->context, command->text, command->length);
    command->sent = 1;
    drop_text(command);
    append(&link->sent, command);
    if (passed != REDIS_OK) {
      sora_link_lose(link, ERROR_memory, NO_MEMORY);
      return;
    }
  }
  want(link, POLLSET_IN | POLLSET_OUT);
}

static void write_some(struct link *link) {
  struct sigpipe_guard guard;
  int done = 0;
  if (link->context == NULL || !(link->wanted & POLLSET_OUT))
    return;
  sora_sigpipe_hold(&guard);
  int written = redisBufferWrite(link->context, &done);
  sora_sigpipe_release(&guard);
  if (written != REDIS_OK)
    sora_link_lose(link, ERROR_network, link->context->errstr);
  else if (done)
    want(link, POLLSET_IN);
}

/* ---- what comes ---- */

static int is_message(const redisReply *reply) {
  return reply->type == REDIS_REPLY_ARRAY && reply->elements == 3 &&
         reply->element[0]->type == REDIS_REPLY_STRING &&
         strcmp(reply->element[0]->str, "message") == 0;
}

static void keep_message(struct link *link, redisReply *reply) {
  struct message *message = malloc(sizeof *message);
  if (message == NULL) {
    freeReplyObject(reply);
    sora_link_lose(link, ERROR_memory, NO_MEMORY);
    return;
  }
  message->next = NULL;
  message->reply = reply;
  *(link->last_message != NULL ? &link->last_message->next : &link->first_message) = message;
  link->last_message = message;
}

static void take(struct link *link, redisReply *reply) {
  struct command *command;
  if (link->settings.subscriber && is_message(reply)) {
    keep_message(link, reply);
  } else if (link->state == LINK_GREETING) {
    link->replies[link->reply_count++] = reply;
    if (link->reply_count == link->replies_due)
      link->state = LINK_GREETED;
  } else if ((command = take_first(&link->sent)) != NULL) {
    command->reply = reply;
    end(link, command, ERROR_NONE, "");
  } else {
    char text[sizeof link->message] = "Redis sent what nobody had asked for";
    if (reply->type == REDIS_REPLY_ERROR) /* such as "max number of clients reached" */
      snprintf(text, sizeof text, "%s", reply->str);
    freeReplyObject(reply);
    sora_link_lose(link, ERROR_network, text);
  }
}

static void read_some(struct link *link) {
  void *reply;
  link->used = sora_now();
  if (redisBufferRead(link->context) != REDIS_OK) {
    sora_link_lose(link, ERROR_network, link->context->errstr);
    return;
  }
  while (link->context != NULL) {
    if (redisGetReply(link->context, &reply) != REDIS_OK) {
      sora_link_lose(link, ERROR_network, link->context->errstr);
      return;
    }
    if (reply == NULL)
      return;
    take(link, reply);
  }
}

/* Serves the sockets until nothing more comes. There is one at a time: of the dial, or of the
   connection. */
static void serve(struct link *link) {
  struct pollset_event events[2];
  double over = sora_now() + SLICE;
  int count;
  while (link->process != 0 && (count = sora_pollset_wait(&link->set, 0, events, 2)) != 0) {
    if (count < 0) {
      if (errno == EINTR)
        continue;
      sora_pollset_lost(&link->set);
      sora_link_lose(link, ERROR_network, "the descriptor of the connection was closed");
      sora_pollset_close(&link->set);
      link->process = 0;
      return;
    }
    if (link->state == LINK_DIALING) {
      sora_dial_go_on(&link->dial, &link->set);
      follow_dial(link);
    } else if (link->context != NULL) {
      if (events[0].events & (POLLSET_IN | POLLSET_ERROR))
        read_some(link);
      write_some(link);
    }
    if (sora_now() > over)
      return;
  }
}

/* ---- time ---- */

/* A command that was never sent ends as the last attempt to connect did, where that has failed. */
static void expire_queued(struct link *link, double now) {
  int refused = link->failures > 0 && link->kind != ERROR_network;
  while (link->queued.first != NULL && link->queued.first->deadline <= now)
    end(link, take_first(&link->queued), refused ? link->kind : ERROR_timeout,
        refused ? link->message : "no connection in time");
}

static void expire(struct link *link) {
  double now = sora_now();
  if (link->state == LINK_DIALING && now >= sora_dial_due(&link->dial)) {
    sora_dial_go_on(&link->dial, &link->set);
    follow_dial(link);
  }
  if ((link->state == LINK_GREETING || link->state == LINK_GREETED) && now >= link->greeted)
    sora_link_lose(link, ERROR_timeout, "connected, but Redis did not answer in time");
  if (link->sent.first != NULL && link->sent.first->deadline <= now) {
    do
      end(link, take_first(&link->sent), ERROR_timeout, "no answer in time");
    while (link->sent.first != NULL && link->sent.first->deadline <= now);
    sora_link_lose(link, ERROR_network, "given up: a command before had no answer in time");
  }
  expire_queued(link, now);
}

static double earlier(double a, double b) {
  return a < 0 || (b >= 0 && b < a) ? b : a;
}

double sora_link_timeout(const struct link *link) {
  double due = -1;
  if (link->over.first != NULL || link->first_message != NULL || link->state == LINK_GREETED)
    return 0;
  if (link->state == LINK_READY && link->queued.first != NULL && !link->moving)
    return 0;
  if (link->state == LINK_IDLE && (link->queued.first != NULL || link->keep))
    due = link->again;
  if (link->state == LINK_DIALING)
    due = sora_dial_due(&link->dial);
  if (link->state == LINK_GREETING)
    due = link->greeted;
  if (link->queued.first != NULL)
    due = earlier(due, link->queued.first->deadline);
  if (link->sent.first != NULL)
    due = earlier(due, link->sent.first->deadline);
  if (due < 0)
    return -1;
  double left = due - sora_now();
  return left > 0 ? left : 0;
}

/* Makes the descriptor readable when something is due. */
static void arm(struct link *link) {
  if (!link->exported)
    return;
  double left = sora_link_timeout(link);
  sora_pollset_arm(&link->set, left < 0 ? 0 : sora_now() + left);
}

void sora_link_step(struct link *link) {
  if (link->state == LINK_CLOSED)
    return;
  begin(link);
  pass(link);
  write_some(link);
  serve(link);
  expire(link);
  arm(link);
}

/* ---- life ---- */

int sora_link_fd(struct link *link) {
  if (link->state == LINK_CLOSED || !sora_pollset_init(&link->set))
    return -1;
  link->process = sora_process();
  link->exported = 1;
  arm(link);
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
    end(link, command, ERROR_cancelled, "the connection was closed");
  else
    append(&link->queued, command);
  arm(link);
}

void sora_link_keep(struct link *link, int keep) {
  link->keep = keep && link->state != LINK_CLOSED;
  arm(link);
}

void sora_link_accept(struct link *link) {
  if (link->state != LINK_GREETED)
    return;
  free_replies(link);
  link->state = LINK_READY;
  link->ready = sora_now();
  link->counts++;
  pass(link);
  write_some(link);
  arm(link);
}

void sora_link_cancel(struct link *link, const char *why) {
  if (link->sent.first != NULL) /* their replies would be taken for others' */
    sora_link_lose(link, ERROR_cancelled, why);
  end_all(link, &link->queued, ERROR_cancelled, why);
  arm(link);
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
  disconnect(link);
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
  if ((from->host == NULL || to->host != NULL) && (from->path == NULL || to->path != NULL))
    return link;
  sora_link_free(link);
  return NULL;
}

void sora_link_free(struct link *link) {
  struct command *command;
  if (link == NULL)
    return;
  sora_link_close(link);
  while ((command = take_first(&link->over)) != NULL)
    if (command->orphan)
      destroy(command);
  free(link->greeting.text);
  free(link->settings.address.host);
  free(link->settings.address.path);
  free(link);
}
