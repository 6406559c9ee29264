#include "fleet/lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transfer/thread.h"

/* Shared by the thread and whoever asked: the last of them frees it. */
struct lookup {
  atomic_int users, over;
  int reader, writer; /* a pipe: a byte comes when it is over */
  char port[8];
  struct addrinfo *found;
  int failure; /* of getaddrinfo */
  char host[]; /* NUL-terminated */
};

static struct addrinfo hints(int flags) {
  struct addrinfo hints = {0};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  return hints;
}

struct addrinfo *sora_lookup_literal(const char *host, int port) {
  struct addrinfo *found = NULL;
  const struct addrinfo how = hints(AI_NUMERICHOST | AI_NUMERICSERV);
  char service[8];
  snprintf(service, sizeof service, "%d", port);
  return getaddrinfo(host, service, &how, &found) == 0 ? found : NULL;
}

void sora_lookup_free(struct lookup *lookup) {
  if (lookup == NULL || atomic_fetch_sub(&lookup->users, 1) > 1)
    return;
  if (lookup->found != NULL)
    freeaddrinfo(lookup->found);
  if (lookup->reader >= 0)
    close(lookup->reader);
  if (lookup->writer >= 0)
    close(lookup->writer);
  free(lookup);
}

static void *run(void *argument) {
  struct lookup *lookup = argument;
  const struct addrinfo how = hints(AI_ADDRCONFIG);
  lookup->failure = getaddrinfo(lookup->host, lookup->port, &how, &lookup->found);
  atomic_store(&lookup->over, 1);
  while (write(lookup->writer, "", 1) < 0 && errno == EINTR)
    ;
  sora_lookup_free(lookup);
  return NULL;
}

struct lookup *sora_lookup_start(const char *host, int port) {
  size_t length = strlen(host) + 1;
  struct lookup *lookup = calloc(1, sizeof *lookup + length);
  if (lookup == NULL)
    return NULL;
  memcpy(lookup->host, host, length);
  snprintf(lookup->port, sizeof lookup->port, "%d", port);
  lookup->users = 1;
  int ends[2] = {-1, -1};
  int failure = pipe(ends) == 0 ? 0 : errno;
  lookup->reader = ends[0];
  lookup->writer = ends[1];
  for (int i = 0; i < 2 && failure == 0; i++)
    fcntl(ends[i], F_SETFD, FD_CLOEXEC);
  if (failure == 0) {
    lookup->users = 2;
    failure = sora_thread_start(run, lookup);
    if (failure == 0)
      return lookup;
    lookup->users = 1;
  }
  sora_lookup_free(lookup);
  errno = failure;
  return NULL;
}

int sora_lookup_fd(const struct lookup *lookup) {
  return lookup->reader;
}

int sora_lookup_is_over(const struct lookup *lookup) {
  return atomic_load(&lookup->over);
}

struct addrinfo *sora_lookup_take(struct lookup *lookup, const char **failure) {
  struct addrinfo *found = lookup->found;
  lookup->found = NULL;
  *failure = NULL;
  if (lookup->failure == EAI_SYSTEM)
    *failure = "the name service failed";
  else if (lookup->failure != 0)
    *failure = gai_strerror(lookup->failure);
  return found;
}
