#include "fleet/link_parts.h"

#include <errno.h>
#include <hiredis/sds.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transfer/process.h"
#include "transfer/sigpipe.h"
#include "transfer/timers.h"

static const double STALE = 1;    /* seconds unused: Redis may have closed the connection */
static const double SLICE = 2e-3; /* … of a step, for what comes */

static const char NO_MEMORY[] = "not enough memory";

/* ---- what is sent ---- */

void sora_link_want(struct link *link, int events) {
  if (events == link->wanted)
    return;
  if (sora_pollset_want(&link->set, link->context->fd, events))
    link->wanted = events;
}

/* The connection has broken: before Redis has said anything, it may be TLS that was refused. */
static void lose_broken(struct link *link) {
  const char *fault =
      link->tls != NULL && link->state == LINK_GREETING ? sora_tls_fault(link->tls) : NULL;
  if (fault != NULL)
    sora_link_lose(link, ERROR_tls, fault);
  else
    sora_link_lose(link, ERROR_network, link->context->errstr);
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
  if (link->tls != NULL && !sora_tls_start(link->tls, link->context, link->settings.address.host)) {
    const char *fault = sora_tls_fault(link->tls);
    sora_link_lose(link, ERROR_tls, fault != NULL ? fault : link->context->errstr);
    return;
  }
  link->wanted = 0;
  link->replies_due = link->greeting.count;
  link->replies = calloc(link->replies_due + 1, sizeof(redisReply *));
  link->state = link->replies_due > 0 ? LINK_GREETING : LINK_GREETED;
  link->used = sora_now();
  if (link->replies == NULL || redisAppendFormattedCommand(link->context, link->greeting.text,
                                                           link->greeting.length) != REDIS_OK) {
    sora_link_lose(link, ERROR_memory, NO_MEMORY);
    return;
  }
  sora_link_want(link, POLLSET_IN | POLLSET_OUT);
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
  sora_link_disconnect(link);
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
  while ((command = sora_commands_take(&link->queued)) != NULL) {
    int passed = redisAppendFormattedCommand(link->context, command->text, command->length);
    command->sent = 1;
    sora_command_drop_text(command);
    sora_commands_append(&link->sent, command);
    if (passed != REDIS_OK) {
      sora_link_lose(link, ERROR_memory, NO_MEMORY);
      return;
    }
  }
  sora_link_want(link, POLLSET_IN | POLLSET_OUT);
}

static int is_writable(const struct link *link) {
  struct pollfd asked = {.fd = link->context->fd, .events = POLLOUT};
  return poll(&asked, 1, 0) == 1;
}

/* A write of TLS may wait for what comes (the handshake): then it goes on after that. */
static void write_some(struct link *link) {
  struct sigpipe_guard guard;
  int done = 0;
  if (link->context == NULL || !(link->wanted & POLLSET_OUT))
    return;
  size_t before = sdslen(link->context->obuf);
  sora_sigpipe_hold(&guard);
  int written = redisBufferWrite(link->context, &done);
  sora_sigpipe_release(&guard);
  if (written != REDIS_OK)
    lose_broken(link);
  else if (done)
    sora_link_want(link, POLLSET_IN);
  else if (link->tls != NULL && sdslen(link->context->obuf) == before)
    sora_link_want(link, is_writable(link) ? POLLSET_IN : POLLSET_IN | POLLSET_OUT);
}

void sora_link_flush(struct link *link) {
  pass(link);
  write_some(link);
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
  if (link->last_message != NULL)
    link->last_message->next = message;
  else
    link->first_message = message;
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
  } else if ((command = sora_commands_take(&link->sent)) != NULL) {
    command->reply = reply;
    sora_link_end(link, command, ERROR_NONE, "");
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
    lose_broken(link);
    return;
  }
  if (link->tls != NULL && sdslen(link->context->obuf) > 0)
    sora_link_want(link, POLLSET_IN | POLLSET_OUT);
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
    sora_link_end(link, sora_commands_take(&link->queued), refused ? link->kind : ERROR_timeout,
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
      sora_link_end(link, sora_commands_take(&link->sent), ERROR_timeout, "no answer in time");
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

void sora_link_arm(struct link *link) {
  if (!link->exported)
    return;
  double left = sora_link_timeout(link);
  sora_pollset_arm(&link->set, left < 0 ? 0 : sora_now() + left);
}

void sora_link_step(struct link *link) {
  if (link->state == LINK_CLOSED)
    return;
  begin(link);
  sora_link_flush(link);
  serve(link);
  expire(link);
  sora_link_arm(link);
}
