#include "transfer/connections.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transfer/array.h"

#ifndef POLLRDHUP /* elsewhere than on Linux */
#define POLLRDHUP POLLHUP
#endif

static int reserve(struct connections *connections) {
  struct connection *list = sora_array_reserve(connections->list, &connections->capacity,
                                               connections->count + 1, sizeof *list);
  if (list != NULL)
    connections->list = list;
  return list != NULL;
}

int sora_connections_add(struct connections *connections, int fd, struct host *host) {
  struct stat status;
  sora_connections_remove(connections, fd); /* whose closing was not told */
  if (fstat(fd, &status) != 0 || !reserve(connections))
    return 0;
  connections->list[connections->count++] =
      (struct connection){.fd = fd,
                          .serial = ++connections->opened,
                          .device = (unsigned long long)status.st_dev,
                          .inode = (unsigned long long)status.st_ino,
                          .host = host};
  return 1;
}

struct connection *sora_connections_get(const struct connections *connections,
                                        unsigned long long serial) {
  size_t from = 0, to = connections->count;
  while (from < to) {
    size_t middle = from + (to - from) / 2;
    struct connection *connection = &connections->list[middle];
    if (connection->serial == serial)
      return connection;
    if (connection->serial < serial)
      from = middle + 1;
    else
      to = middle;
  }
  return NULL;
}

int sora_connection_is_ours(const struct connection *connection) {
  struct stat status;
  return fstat(connection->fd, &status) == 0 &&
         (unsigned long long)status.st_ino == connection->inode &&
         (unsigned long long)status.st_dev == connection->device;
}

static void remove_at(struct connections *connections, size_t i) {
  struct connection *connection = &connections->list[i];
  memmove(connection, connection + 1, (--connections->count - i) * sizeof *connection);
}

struct host *sora_connections_remove(struct connections *connections, int fd) {
  for (size_t i = 0; i < connections->count; i++) {
    struct connection *connection = &connections->list[i];
    if (connection->fd != fd)
      continue;
    struct host *host = connection->stands ? connection->host : NULL;
    remove_at(connections, i);
    return host;
  }
  return NULL;
}

void sora_connections_prune(struct connections *connections) {
  size_t i = 0;
  while (i < connections->count)
    if (connections->list[i].stands || sora_connection_is_ours(&connections->list[i]))
      i++;
    else
      remove_at(connections, i);
}

/* The local port of a socket, below 0 of one of IPv6, 0 where there is none. */
static int port_of(int fd) {
  struct sockaddr_storage address = {0};
  socklen_t size = sizeof address;
  if (getsockname(fd, (struct sockaddr *)&address, &size) != 0)
    return 0;
  if (address.ss_family == AF_INET6)
    return -ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
  return address.ss_family == AF_INET ? ntohs(((struct sockaddr_in *)&address)->sin_port) : 0;
}

struct connection *sora_connections_find(struct connections *connections, const struct host *host,
                                         int local_port, int ipv6) {
  int wanted = ipv6 ? -local_port : local_port;
  for (size_t i = 0; i < connections->count; i++) {
    struct connection *connection = &connections->list[i];
    if (connection->host != host)
      continue;
    if (connection->local_port == 0)
      connection->local_port = port_of(connection->fd);
    if (connection->local_port == wanted)
      return connection;
  }
  return NULL;
}

static const double A_MOMENT = 0.005; /* seconds */

enum { AT_ONCE = 64 /* connections that the system is asked about */ };

/* Of the host's connections from the one at `*at` on, those that have been idle for a moment.
   Returns how many; at 0 there are no more. */
static int list_idle(const struct connections *connections, const struct host *host, double now,
                     size_t *at, const struct connection **idle, struct pollfd *polled) {
  int count = 0;
  for (; *at < connections->count && count < AT_ONCE; ++*at) {
    const struct connection *connection = &connections->list[*at];
    if (connection->host != host || !connection->stands || connection->live > 0 ||
        now - connection->idle_since < A_MOMENT)
      continue;
    idle[count] = connection;
    polled[count++] = (struct pollfd){.fd = connection->fd, .events = POLLRDHUP};
  }
  return count;
}

double sora_connections_drain_closed(const struct connections *connections, const struct host *host,
                                     double now) {
  const struct connection *idle[AT_ONCE];
  struct pollfd polled[AT_ONCE];
  char rest[4096];
  size_t at = 0;
  double again = now + A_MOMENT;
  int count;
  while ((count = list_idle(connections, host, now, &at, idle, polled)) > 0) {
    if (count == AT_ONCE)
      again += A_MOMENT;
    if (poll(polled, (nfds_t)count, 0) <= 0)
      continue;
    for (int i = 0; i < count; i++)
      while (polled[i].revents != 0 && sora_connection_is_ours(idle[i]) &&
             recv(polled[i].fd, rest, sizeof rest, MSG_DONTWAIT) > 0)
        ;
  }
  return again;
}

void sora_connections_hold(struct connections *connections, struct connection *connection) {
  connections->held = connection->held = 1;
}

int sora_connections_next_held(struct connections *connections) {
  for (size_t i = 0; connections->held && i < connections->count; i++)
    if (connections->list[i].held) {
      connections->list[i].held = 0;
      return connections->list[i].fd;
    }
  connections->held = 0;
  return -1;
}

void sora_connection_shut(const struct connection *connection) {
  if (sora_connection_is_ours(connection))
    shutdown(connection->fd, SHUT_RDWR);
}

void sora_connections_close(struct connections *connections) {
  for (size_t i = 0; i < connections->count; i++)
    if (sora_connection_is_ours(&connections->list[i]))
      close(connections->list[i].fd);
  sora_connections_free(connections);
}

void sora_connections_free(struct connections *connections) {
  free(connections->list);
  connections->list = NULL;
  connections->count = connections->capacity = 0;
}
