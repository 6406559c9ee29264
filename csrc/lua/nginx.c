#include "lua/nginx.h"

#include "compat.h"
#include "lua/metatable.h"

#define METATABLE "sora.nginx_watch"

#if defined(__linux__) && !defined(SORA_POLLSET_POLL)

#include <fcntl.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "transfer/process.h"

/* What nginx, and the LuaJIT that is made for it, export; missing elsewhere. Nothing of nginx's
   structs is known here: ngx_add_channel_event, with which each worker watches its channel to the
   master, is the same since nginx 0.3 (src/os/unix/ngx_channel.c). It watches level-triggered, and
   a worker that quits does not take what it watches for a connection that was left open. */
#pragma weak ngx_add_channel_event
#pragma weak ngx_cycle
#pragma weak lua_setexdata
extern intptr_t ngx_add_channel_event(volatile void *cycle, int fd, intptr_t event,
                                      void (*handler)(void *event));
extern volatile void *ngx_cycle;
extern void lua_setexdata(lua_State *L, void *request);

enum { NGX_OK = 0, NGX_READ_EVENT = EPOLLIN | EPOLLRDHUP /* src/event/ngx_event.h */ };

/* One descriptor and the function in Lua that is called when it is readable: on a coroutine of the
   watch's own, at whose index 1 the function stands. The descriptor is a duplicate: a client that
   is collected first closes its own, and the number becomes somebody else's. */
struct watch {
  int fd; /* -1: closed, and in no list */
  lua_State *co;
  struct watch *next;
};

/* What nginx's loop watches: one epoll descriptor, with those of all watches in it. It lives as
   long as its process: so nothing has to be taken out of nginx again. */
static struct {
  int epoll;
  unsigned process;    /* whose nginx was told of it */
  struct watch *first; /* of all open ones */
} watched;

/* One watch that is ready. Where there is but one, epoll need not be asked which. */
static struct watch *next_ready(void) {
  struct epoll_event ready;
  if (watched.first != NULL && watched.first->next == NULL)
    return watched.first;
  return epoll_wait(watched.epoll, &ready, 1, 0) == 1 ? ready.data.ptr : NULL;
}

/* nginx calls it when a watch is ready. It serves one: nginx calls it again in the next turn of its
   loop while others are. */
static void on_ready(void *event) {
  struct watch *watch = next_ready();
  (void)event;
  if (watch == NULL)
    return;
  lua_State *co = watch->co;
  lua_pushvalue(co, 1);
  if (lua_pcall(co, 0, 0, 0) != LUA_OK) /* resty.sora has a waiting call raise what goes wrong */
    lua_settop(co, 1);
}

/* Has the nginx of this process watch the epoll descriptor, once. Returns 0 where it can't. */
static int join_loop(void) {
  if (watched.process == sora_process())
    return 1;
  if (&ngx_cycle == NULL || ngx_add_channel_event == NULL || lua_setexdata == NULL)
    return 0;
  watched.first = NULL; /* in a child of fork they are the parent's */
  watched.epoll = epoll_create1(EPOLL_CLOEXEC);
  if (watched.epoll < 0)
    return 0;
  if (ngx_add_channel_event(ngx_cycle, watched.epoll, NGX_READ_EVENT, on_ready) != NGX_OK) {
    close(watched.epoll);
    return 0;
  }
  watched.process = sora_process();
  return 1;
}

static int open_watch(struct watch *watch, int fd) {
  struct epoll_event event = {.events = EPOLLIN};
  event.data.ptr = watch;
  watch->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (watch->fd < 0)
    return 0;
  if (epoll_ctl(watched.epoll, EPOLL_CTL_ADD, watch->fd, &event) != 0) {
    close(watch->fd);
    watch->fd = -1;
    return 0;
  }
  watch->next = watched.first;
  watched.first = watch;
  return 1;
}

static int close_watch(lua_State *L) {
  struct watch *watch = luaL_checkudata(L, 1, METATABLE);
  if (watch->fd < 0)
    return 0;
  if (watched.process == sora_process()) /* else it is the parent's epoll */
    epoll_ctl(watched.epoll, EPOLL_CTL_DEL, watch->fd, NULL);
  for (struct watch **link = &watched.first; *link != NULL; link = &(*link)->next)
    if (*link == watch) {
      *link = watch->next;
      break;
    }
  close(watch->fd);
  watch->fd = -1;
  return 0;
}

/* Pushes a coroutine with the function at `fn` on its stack, which belongs to no request. */
static lua_State *push_coroutine(lua_State *L, int fn) {
  lua_State *co = lua_newthread(L);
  lua_setexdata(co, NULL); /* else it would go with its maker's request, which will have ended */
  lua_pushvalue(L, fn);
  lua_xmove(L, co, 1);
  return co;
}

int sora_nginx_watch(lua_State *L) {
  int fd = (int)luaL_checkinteger(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  if (!join_loop())
    return 0;
  struct watch *watch = lua_newuserdata(L, sizeof *watch);
  watch->fd = -1;
  luaL_setmetatable(L, METATABLE);
  lua_createtable(L, 1, 0);
  watch->co = push_coroutine(L, 2);
  lua_rawseti(L, 4, 1);
  lua_setuservalue(L, 3);
  return open_watch(watch, fd);
}

#else

static int close_watch(lua_State *L) {
  (void)L;
  return 0;
}

int sora_nginx_watch(lua_State *L) {
  (void)L;
  return 0;
}

#endif

void sora_nginx_open(lua_State *L) {
  static const luaL_Reg metamethods[] = {{"__gc", close_watch}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"close", close_watch}, {NULL, NULL}};
  sora_metatable_new(L, METATABLE, metamethods, methods);
  lua_pop(L, 1);
}
