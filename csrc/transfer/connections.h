/*
 * What is known of the sockets that libcurl has opened for a client: which host they are for,
 * whether a request was sent on them, and how much has come.
 *
 * A descriptor's number alone proves nothing: libcurl may close one without telling (7.88 does with
 * attempts to connect that took too long), and a forked child may have closed it and got the number
 * again. So each is known by its inode, and nothing is done to a number that has another one now.
 * Neither Lua nor curl is known here.
 */
#ifndef SORA_CONNECTIONS_H
#define SORA_CONNECTIONS_H

#include <stddef.h>

struct host;

struct connection {
  int fd;
  unsigned long long serial; /* no two have the same, though numbers of descriptors come again */
  unsigned long long device, inode; /* of the socket */
  struct host *host;                /* whose requests it serves, NULL: nobody's in particular */
  int local_port;                   /* below 0: of IPv6; 0: not known yet */
  int stands;                       /* a request was sent on it */
  unsigned long long progress;      /* grows with whatever comes on it */
  int held;                         /* libcurl may hold back some of what has come */
  int version;                      /* of HTTP, as an answer on it has said; 0: none has */
  int live;                         /* requests on it … */
  double idle_since;                /* … and since when there is none, on sora_now */
};

/* All zero at first. */
struct connections {
  struct connection *list; /* as they were opened: by serial numbers */
  size_t count, capacity;
  int held;                  /* one may be marked so */
  unsigned long long opened; /* ever */
};

/* Takes in a descriptor that was just opened. Returns 0 when memory is short. */
int sora_connections_add(struct connections *connections, int fd, struct host *host);

/* The connection with that serial number, NULL: it is gone. Stays where it is until one is added or
 * removed. */
struct connection *sora_connections_get(const struct connections *connections,
                                        unsigned long long serial);

/* Whether the number still is the socket that was taken in. */
int sora_connection_is_ours(const struct connection *connection);

/* Forgets the descriptor, which is about to be closed. Returns the host whose requests were sent on
   it, or NULL. */
struct host *sora_connections_remove(struct connections *connections, int fd);

/* Forgets those that libcurl has closed without telling. No request was ever sent on these. */
void sora_connections_prune(struct connections *connections);

/* The host's connection with that local port, IPv6 or not; NULL: none. */
struct connection *sora_connections_find(struct connections *connections, const struct host *host,
                                         int local_port, int ipv6);

/* Reads off what lies on the host's idle connections that their servers have closed. libcurl takes
   a connection with TLS for alive as long as a byte lies there to be read (OpenSSL's backend
   in 7.88), and the farewell of TLS is one. The system is asked only about connections that have
   been idle at `now` for longer than a moment. Returns when to look again at the earliest: the more
   there are, the later, or a thousand would be asked about all the time: until one is lost. */
double sora_connections_drain_closed(const struct connections *connections, const struct host *host,
                                     double now);

/* Marks one on which libcurl may hold something back. */
void sora_connections_hold(struct connections *connections, struct connection *connection);

/* The descriptor of one that is marked so, and is no longer; -1: none. */
int sora_connections_next_held(struct connections *connections);

/* Shuts the socket down, if it still is ours: whoever uses the connection is told that it ended. */
void sora_connection_shut(const struct connection *connection);

/* Closes every descriptor that still is ours, telling nobody: for a child of fork, whose copies of
   its parent's sockets these are. */
void sora_connections_close(struct connections *connections);

/* Frees the memory; the descriptors are left. Idempotent. */
void sora_connections_free(struct connections *connections);

#endif
