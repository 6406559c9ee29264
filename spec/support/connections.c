/*
 * What a client knows of its connections (csrc/transfer/connections.c), without libcurl: the
 * sockets are pairs, whose other ends are the servers. Prints what
 * spec/transfer/connections_spec.lua expects:
 *
 *   connections found       of 90 connections, of which each third was closed: how many are found
 *   connections held        which of 5 are served, in which order, when the 2nd, 4th and 5th were
 *                           marked and the 4th is gone
 *   connections idle N      of N idle ones, each tenth of which its server has closed: how many
 *                           have bytes left to be read, and, had a host asked each millisecond of a
 *                           second, how often the system would have been asked about one
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "transfer/connections.h"

enum { MOST = 400 };

static struct connections connections;
static int servers[MOST], ours[MOST];
static long asked;

/* In the place of the C library's. */
int poll(struct pollfd *polled, nfds_t count, int milliseconds) {
  asked += (long)count;
  return (int)syscall(SYS_poll, polled, count, milliseconds);
}

/* Their host is nobody: it is only compared. */
static void open_pairs(int count) {
  for (int i = 0; i < count; i++) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 ||
        !sora_connections_add(&connections, pair[0], NULL))
      exit(1);
    ours[i] = pair[0];
    servers[i] = pair[1];
    connections.list[i].stands = 1;
  }
}

static void drop(int i) {
  sora_connections_remove(&connections, ours[i]);
  close(ours[i]);
}

static void find(void) {
  int found = 0;
  open_pairs(90);
  for (int i = 0; i < 90; i += 3)
    drop(i);
  for (int i = 0; i < 90; i++) {
    struct connection *connection = sora_connections_get(&connections, (unsigned)i + 1);
    if (connection != NULL && connection->fd != ours[i])
      exit(1);
    found += connection != NULL;
  }
  printf("%d %d\n", found, sora_connections_get(&connections, 91) != NULL);
}

static void hold(void) {
  static const int marked[] = {1, 3, 4};
  int fd;
  open_pairs(5);
  for (int i = 0; i < 3; i++)
    sora_connections_hold(&connections, &connections.list[marked[i]]);
  drop(3);
  while ((fd = sora_connections_next_held(&connections)) >= 0)
    for (int i = 0; i < 5; i++)
      if (ours[i] == fd)
        printf("%d ", i + 1);
  printf("%d\n", sora_connections_next_held(&connections));
}

static void look(int count) {
  int left = 0;
  char byte;
  open_pairs(count);
  for (int i = 0; i < count; i += 10) {
    if (write(servers[i], "farewell", 8) != 8)
      exit(1);
    close(servers[i]);
  }
  double again = 0;
  for (int millisecond = 1000; millisecond < 2000; millisecond++)
    if (millisecond / 1e3 >= again)
      again = sora_connections_drain_closed(&connections, NULL, millisecond / 1e3);
  for (int i = 0; i < count; i++)
    left += recv(ours[i], &byte, 1, MSG_DONTWAIT | MSG_PEEK) > 0;
  printf("%d %ld\n", left, asked);
}

int main(int count, char **arguments) {
  const char *what = count > 1 ? arguments[1] : "";
  if (strcmp(what, "found") == 0)
    find();
  else if (strcmp(what, "held") == 0)
    hold();
  else if (count > 2 && atoi(arguments[2]) <= MOST)
    look(atoi(arguments[2]));
  return 0;
}
