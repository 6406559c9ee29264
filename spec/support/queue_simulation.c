/*
 * The queue before libcurl, played from seeds against a libcurl and a server of our own:
 * connections that fail, are lost or take few streams, requests that libcurl keeps to itself,
 * downloads among questions, cancellations.
 *
 *   queue_simulation FIRST LAST    plays these seeds; prints the first that breaks a promise
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transfer/queue.h"

enum {
  REQUESTS = 300,
  MOST = 8,       /* connections */
  TICKS = 200000, /* in which all requests have to end */
  PATIENCE = 3    /* ticks for which libcurl may keep a request to itself */
};

enum stage { WAITS, OPENS, KEPT, SENT, OVER };

struct item {
  struct place place; /* the first, so that one leads to the other */
  enum stage stage;
  int number;
  int again;      /* it had its turn already */
  int left;       /* ticks until what it waits for */
  int connection; /* that it was sent on */
  int opened;
};

struct world {
  struct host *host;
  struct connections none;
  struct connection connections[MOST]; /* fd: 1 while it is open */
  int streams[MOST];                   /* requests on each connection */
  int version;                         /* of HTTP: 1 or 2 */
  int server_streams;                  /* that the server allows on a connection */
  int one_in; /* of so many attempts to connect one fails, in so many ticks a connection is lost */
  struct item items[REQUESTS];
  int begun, over;
  int kept_for; /* ticks for which libcurl has kept requests */
  int next[2];  /* questions, videos: those before this number had their first turn */
  unsigned seed;
};

static struct world world;
static int seed_played;

static void broken(const char *what) {
  printf("seed %d: %s\n", seed_played, what);
  exit(1);
}

static int chance(int most) {
  world.seed = (unsigned)((unsigned long long)world.seed * 48271 % 2147483647);
  return (int)(world.seed % (unsigned)most);
}

static struct item *item_of(struct place *place) {
  return (struct item *)(void *)place;
}

static int open_connections(void) {
  int count = 0;
  for (int i = 0; i < MOST; i++)
    count += world.connections[i].fd;
  return count;
}

/* One that takes another request, as libcurl chooses: the first. -1: none. */
static int with_room(void) {
  int most = world.version == 1 ? 1 : world.server_streams;
  int cap = world.version == 1 ? 1 : sora_host_streams(world.host);
  for (int i = 0; i < MOST; i++)
    if (world.connections[i].fd && world.connections[i].stands && world.streams[i] < most &&
        world.streams[i] < cap)
      return i;
  return -1;
}

static void send_on(struct item *item, int connection, int again) {
  item->stage = SENT;
  item->connection = connection;
  item->left = 1 + chance(20);
  world.streams[connection]++;
  sora_host_sent(world.host, &world.connections[connection], again, item->opened);
}

static void hand_over(struct item *item) {
  int connection = with_room();
  item->opened = 0;
  sora_host_began(world.host, &item->place);
  if (connection >= 0) {
    send_on(item, connection, 0);
  } else if (open_connections() < world.host->most) {
    item->stage = OPENS;
    item->opened = 1;
    item->left = 1 + chance(6);
    sora_host_connects(world.host);
    for (item->connection = 0; world.connections[item->connection].fd; item->connection++)
      ;
    memset(&world.connections[item->connection], 0, sizeof(struct connection));
    world.connections[item->connection].fd = 1;
    world.streams[item->connection] = 0;
  } else {
    item->stage = KEPT;
  }
}

static void close_connection(int connection) {
  int stood = world.connections[connection].stands;
  world.connections[connection].fd = 0;
  if (stood)
    sora_host_lost(world.host);
}

static void leave(struct item *item, int sent) {
  if (item->stage == SENT)
    world.streams[item->connection]--;
  sora_host_left(world.host, &item->place, sent, item->opened);
}

static void wait_again(struct item *item) {
  item->stage = WAITS;
  item->again = 1;
  sora_host_enqueue(world.host, &item->place, 1);
}

static void end(struct item *item) {
  if (item->stage == OVER)
    broken("a request has ended twice");
  item->stage = OVER;
  world.over++;
}

/* A connection is gone: libcurl sends again what was on it, or gives it back. */
static void lose(int connection) {
  close_connection(connection);
  for (int i = 0; i < REQUESTS; i++) {
    struct item *item = &world.items[i];
    if (item->stage != SENT || item->connection != connection)
      continue;
    int other = with_room();
    if (other >= 0 && chance(2)) {
      world.streams[connection]--;
      send_on(item, other, 1);
    } else {
      leave(item, 1);
      wait_again(item);
    }
  }
}

static void connected(struct item *item) {
  if (chance(world.one_in) != 0) {
    send_on(item, item->connection, 0);
    return;
  }
  close_connection(item->connection);
  leave(item, 0);
  wait_again(item);
}

static void answered(struct item *item) {
  sora_host_heard(world.host, world.version);
  leave(item, 1);
  end(item);
}

static void play_libcurl(void) {
  for (int i = 0; i < REQUESTS; i++) {
    struct item *item = &world.items[i];
    int room = item->stage == KEPT ? with_room() : -1;
    if (room >= 0)
      send_on(item, room, 0);
    else if (item->stage == OPENS && --item->left == 0)
      connected(item);
    else if (item->stage == SENT && --item->left == 0)
      answered(item);
  }
  int lost = chance(MOST);
  if (world.connections[lost].fd && world.connections[lost].stands && chance(world.one_in) == 0)
    lose(lost);
}

/* What course.c does with what libcurl keeps. */
static void take_back(void) {
  world.kept_for = sora_host_is_kept_waiting(world.host) ? world.kept_for + 1 : 0;
  if (world.kept_for < PATIENCE)
    return;
  for (int i = REQUESTS - 1; i >= 0; i--) {
    struct item *item = &world.items[i];
    if (item->stage != KEPT || !sora_host_is_kept_waiting(world.host))
      continue;
    sora_host_is_full(world.host);
    leave(item, 0);
    wait_again(item);
  }
  world.kept_for = 0;
}

static void cancel_one(void) {
  struct item *item = &world.items[chance(REQUESTS)];
  if (item->stage == OVER || item->number >= world.begun)
    return;
  if (item->stage == WAITS) {
    sora_host_withdraw(world.host, &item->place);
  } else {
    if (item->stage == OPENS)
      close_connection(item->connection);
    leave(item, item->stage == SENT);
  }
  end(item);
}

static void check_turn(const struct item *item) {
  int *next = &world.next[item->place.video];
  if (item->place.video && world.host->questions.first != NULL)
    broken("a video had its turn before a question");
  if (!item->again && item->number < *next)
    broken("not first come, first served");
  if (!item->again)
    *next = item->number + 1;
}

static void start_waiting(void) {
  struct place *place;
  while ((place = sora_host_next(world.host)) != NULL) {
    check_turn(item_of(place));
    sora_host_withdraw(world.host, place);
    hand_over(item_of(place));
  }
}

static void check(void) {
  const struct host *host = world.host;
  int videos = host->most > 1 ? host->most - 1 : 1;
  int live = 0, waiting = 0;
  for (int i = 0; i < world.begun; i++) {
    waiting += world.items[i].stage == WAITS;
    live += world.items[i].stage != WAITS && world.items[i].stage != OVER;
  }
  if (live != host->live || waiting != host->waiting)
    broken("the counts are wrong");
  if (host->unsent < 0 || host->connecting < 0 || host->stands < 0 || host->limit < 1)
    broken("a count is below what it can be");
  if (host->version == 1 && world.version == 1 && host->live_videos > videos)
    broken("videos have taken the connection that is for questions");
  if (live == 0 && waiting > 0)
    broken("nothing is live, and nobody is started");
  if (open_connections() > host->most)
    broken("more connections than are allowed");
}

static void play(int seed) {
  int plain;
  memset(&world, 0, sizeof world);
  seed_played = seed;
  world.seed = (unsigned)seed * 2654435761U % 2147483646 + 1;
  chance(2); /* the first number hardly differs from seed to seed */
  world.version = 1 + chance(2);
  plain = world.version == 1 && chance(2);
  world.server_streams = 1 + chance(chance(2) ? 8 : 150);
  world.one_in = 3 + chance(300);
  world.host = sora_host_new("https://relay:443", plain, 1 + chance(MOST), &world.none);
  world.host->one_by_one = chance(6) == 0;
  for (int i = 0; i < REQUESTS; i++)
    world.items[i] = (struct item){.number = i, .place = {.video = chance(5) == 0}};
  for (int tick = 0; world.over < REQUESTS; tick++) {
    if (tick == TICKS)
      broken("not all have ended");
    for (int more = chance(world.one_in < 20 ? 4 : 60); more > 0 && world.begun < REQUESTS; more--)
      sora_host_enqueue(world.host, &world.items[world.begun++].place, 0);
    play_libcurl();
    take_back();
    if (chance(30) == 0)
      cancel_one();
    start_waiting();
    check();
  }
  free(world.host);
}

int main(int count, char **arguments) {
  int first = count > 2 ? atoi(arguments[1]) : 1, last = count > 2 ? atoi(arguments[2]) : 1000;
  for (int seed = first; seed <= last; seed++)
    play(seed);
  printf("%d seeds\n", last - first + 1);
  return 0;
}
