#include "transfer/queue.h"

#include <stdlib.h>
#include <string.h>

struct host *sora_host_new(const char *origin, int plain, int most,
                           struct connections *connections) {
  size_t size = strlen(origin) + 1;
  struct host *host = calloc(1, sizeof *host + size);
  if (host == NULL)
    return NULL;
  memcpy(host->origin, origin, size);
  host->version = plain ? 1 : 0;
  host->most = most;
  host->streams = STREAMS;
  host->limit = most * MOST_STREAMS;
  host->connections = connections;
  return host;
}

/* ---- those who wait ---- */

static struct place_list *line_of(struct host *host, const struct place *place) {
  return place->video ? &host->videos : &host->questions;
}

/* Makes two of a line neighbours; NULL is its end. */
static void join(struct place_list *line, struct place *before, struct place *after) {
  if (before != NULL)
    before->queue_next = after;
  else
    line->first = after;
  if (after != NULL)
    after->queue_previous = before;
  else
    line->last = before;
}

void sora_host_enqueue(struct host *host, struct place *place, int in_front) {
  struct place_list *line = line_of(host, place);
  place->queue_previous = in_front ? NULL : line->last;
  place->queue_next = in_front ? line->first : NULL;
  join(line, place->queue_previous, place);
  join(line, place, place->queue_next);
  host->waiting++;
}

void sora_host_withdraw(struct host *host, struct place *place) {
  join(line_of(host, place), place->queue_previous, place->queue_next);
  place->queue_previous = place->queue_next = NULL;
  host->waiting--;
}

enum { ANSWERS_TO_TRUST = 100 /* before more is tried again */ };

static int divide_up(int number, int by) {
  return (number + by - 1) / by;
}

static int most(int a, int b) {
  return a > b ? a : b;
}

static int least(int a, int b) {
  return a < b ? a : b;
}

/* How many may be live at once: the table in queue.h. */
static int room(const struct host *host) {
  if (host->version == 1)
    return host->most;
  if (host->version == 0 && host->stands > 0)
    return most(host->most, 2);
  if (host->version == 0)
    return host->tried ? host->most : 1;
  if (host->stands >= host->most && host->streams == STREAMS)
    return host->limit;
  int streams = host->stands * host->streams, wanted = host->live + host->waiting - streams;
  int opening = wanted > 0 ? least(host->most - host->stands, divide_up(wanted, host->streams)) : 0;
  if (host->one_by_one)
    return host->connecting > 0 || host->unsent > 0 ? 0 : streams + (opening > 0);
  return least(streams + opening, host->limit);
}

struct place *sora_host_next(const struct host *host) {
  if (host->waiting == 0 || host->live >= room(host))
    return NULL;
  if (host->questions.first != NULL)
    return host->questions.first;
  int videos = host->most > 1 ? host->most - 1 : 1;
  return host->version >= 2 || host->live_videos < videos ? host->videos.first : NULL;
}

/* ---- what is learnt ---- */

void sora_host_began(struct host *host, const struct place *place) {
  host->live++;
  host->unsent++;
  host->live_videos += place->video;
}

void sora_host_connects(struct host *host) {
  host->connecting++;
}

void sora_host_sent(struct host *host, struct connection *connection, int again, int opened) {
  if (again) {
    host->restarts += host->live > 1; /* of one alone only its kept connection had died */
  } else {
    host->unsent--;
    host->connecting -= opened;
  }
  if (connection != NULL && !connection->stands) {
    connection->stands = 1;
    host->stands++;
  } else if (host->version == 0 && !opened && host->live - host->unsent > host->stands) {
    host->version = 2; /* there are more requests than connections */
  }
}

void sora_host_left(struct host *host, const struct place *place, int sent, int opened) {
  host->live--;
  host->live_videos -= place->video;
  if (sent)
    return;
  host->unsent--;
  host->connecting -= opened;
  host->tried = 1;
}

void sora_host_heard(struct host *host, int version) {
  host->version = version;
  if (++host->answers < ANSWERS_TO_TRUST)
    return;
  host->answers = 0; /* what was learnt may have changed */
  host->streams = least(host->streams + 1, STREAMS);
  host->limit = least(host->limit + host->most, host->most * MOST_STREAMS);
}

int sora_host_is_kept_waiting(const struct host *host) {
  return host->unsent > 0 && host->connecting == 0 && host->stands > 0 && host->live > host->unsent;
}

void sora_host_is_full(struct host *host) {
  if (host->version == 0)
    host->version = 1; /* the second request has not joined the first one's connection */
  host->limit = host->live > host->unsent ? host->live - host->unsent : 1;
  host->answers = 0;
}

void sora_host_lost(struct host *host) {
  host->stands--;
  host->look_at = 0; /* where one was closed, others may have been */
  if (host->restarts > 0 && host->streams > 1)
    host->streams /= 2;
  if (host->restarts > 0)
    host->answers = 0;
  host->restarts = 0;
  if (host->stands == 0)
    host->limit = host->most * MOST_STREAMS; /* whoever answers next may be another server */
}

int sora_host_streams(const struct host *host) {
  int streams = divide_up(host->live, host->most);
  return streams > host->streams ? streams : host->streams;
}
