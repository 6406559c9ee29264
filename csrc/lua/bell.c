#include "lua/bell.h"

#include "compat.h"

#define METATABLE "sora.bell"

#if defined(__linux__) && !defined(SORA_POLLSET_POLL)

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STACK_SIZE = 64 * 1024, TOKEN_SIZE = 16 };

struct bell {
  int epoll, socket, stop; /* descriptors, -1 when closed; `stop` ends the thread */
  int rings;               /* there is a thread */
  pid_t process;           /* that the thread belongs to */
  pthread_t thread;
  char token[TOKEN_SIZE]; /* by which the loop's socket is known from those of other users */
};

static void *ring(void *argument) {
  const struct bell *bell = argument;
  struct epoll_event ready[16];
  for (;;) {
    int count = epoll_wait(bell->epoll, ready, 16, -1);
    if (count < 0 && errno != EINTR)
      return NULL;
    for (int i = 0; i < count; i++)
      if (ready[i].data.fd == bell->stop)
        return NULL;
    if (count > 0)
      send(bell->socket, "!", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
}

static void shut(int *fd) {
  if (*fd >= 0)
    close(*fd);
  *fd = -1;
}

/* Idempotent. A child of fork has no thread to wait for. */
static void close_bell(struct bell *bell) {
  if (bell->rings && bell->process == getpid()) {
    eventfd_write(bell->stop, 1);
    pthread_join(bell->thread, NULL);
  }
  bell->rings = 0;
  shut(&bell->epoll), shut(&bell->socket), shut(&bell->stop);
}

/* Returns 0, or the number of what went wrong. Signals are for the other threads. */
static int start_thread(struct bell *bell) {
  pthread_attr_t attributes;
  sigset_t all, before;
  int failure = pthread_attr_init(&attributes);
  if (failure != 0)
    return failure;
  pthread_attr_setstacksize(&attributes, STACK_SIZE);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  failure = pthread_create(&bell->thread, &attributes, ring, bell);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  bell->rings = failure == 0;
  return failure;
}

static int watch(struct bell *bell, int fd) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT};
  event.data.fd = fd;
  return epoll_ctl(bell->epoll, EPOLL_CTL_MOD, fd, &event) == 0 ||
         (errno == ENOENT && epoll_ctl(bell->epoll, EPOLL_CTL_ADD, fd, &event) == 0);
}

/* Opens the descriptors; the socket has a port that the system chose. Returns it, or 0. */
static int open_bell(struct bell *bell) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t size = sizeof address;
  struct epoll_event event = {.events = EPOLLIN};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  bell->process = getpid();
  bell->epoll = epoll_create1(EPOLL_CLOEXEC);
  bell->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  bell->socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  event.data.fd = bell->stop;
  if (bell->epoll < 0 || bell->stop < 0 || bell->socket < 0 ||
      getrandom(bell->token, TOKEN_SIZE, 0) != TOKEN_SIZE ||
      epoll_ctl(bell->epoll, EPOLL_CTL_ADD, bell->stop, &event) != 0 ||
      bind(bell->socket, (struct sockaddr *)&address, size) != 0 ||
      getsockname(bell->socket, (struct sockaddr *)&address, &size) != 0)
    return 0;
  return ntohs(address.sin_port);
}

static struct bell *check(lua_State *L) {
  return luaL_checkudata(L, 1, METATABLE);
}

int sora_bell_new(lua_State *L) {
  struct bell *bell = lua_newuserdata(L, sizeof *bell);
  memset(bell, 0, sizeof *bell);
  bell->epoll = bell->socket = bell->stop = -1;
  luaL_setmetatable(L, METATABLE);
  int port = open_bell(bell);
  if (port == 0) {
    close_bell(bell);
    return 0;
  }
  lua_pushinteger(L, port);
  lua_pushlstring(L, bell->token, TOKEN_SIZE);
  return 3;
}

/* bell:answer() → true when the loop's socket has sent the token, which connects the two */
static int answer(lua_State *L) {
  struct bell *bell = check(L);
  struct sockaddr_in peer;
  char token[TOKEN_SIZE + 1];
  ssize_t length = 0;
  while (!bell->rings && length >= 0) {
    socklen_t size = sizeof peer;
    length = recvfrom(bell->socket, token, sizeof token, 0, (struct sockaddr *)&peer, &size);
    if (length == TOKEN_SIZE && memcmp(token, bell->token, TOKEN_SIZE) == 0 &&
        connect(bell->socket, (struct sockaddr *)&peer, size) == 0 && start_thread(bell) != 0)
      break;
  }
  lua_pushboolean(L, bell->rings);
  return 1;
}

/* bell:watch(fd) → whether it will ring for that descriptor */
static int watch_fd(lua_State *L) {
  lua_pushboolean(L, watch(check(L), (int)luaL_checkinteger(L, 2)));
  return 1;
}

static int collect(lua_State *L) {
  close_bell(check(L));
  return 0;
}

void sora_bell_open(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"answer", answer}, {"watch", watch_fd}, {"close", collect}, {NULL, NULL}};
  luaL_newmetatable(L, METATABLE);
  lua_pushcfunction(L, collect);
  lua_setfield(L, -2, "__gc");
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

#else

int sora_bell_new(lua_State *L) {
  (void)L;
  return 0;
}

void sora_bell_open(lua_State *L) {
  (void)L;
}

#endif
