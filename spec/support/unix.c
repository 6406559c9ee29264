/*
 * A Lua module for the specs: what a process can do to itself, and Lua cannot.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compat.h"

#if defined __GLIBC__ && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
#include <malloc.h>
#define HAS_MALLINFO2
#endif

/* child(fn) → number of a forked process that runs fn() and ends with 0, or 1 after an error */
static int child(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) {
    int failed = lua_pcall(L, 0, 0, 0);
    if (failed)
      fprintf(stderr, "child: %s\n", lua_tostring(L, -1));
    fflush(NULL);
    _exit(failed);
  }
  lua_pushinteger(L, pid);
  return 1;
}

/* fork() → number of the child, 0 in the child itself, which goes on here and leaves by exit */
static int fork_here(lua_State *L) {
  fflush(NULL);
  lua_pushinteger(L, fork());
  return 1;
}

/* exit(status): at once, without finalisers */
static int exit_now(lua_State *L) {
  fflush(NULL);
  _exit((int)luaL_checkinteger(L, 1));
}

static volatile pid_t forked = -1;

static void on_fork_signal(int number) {
  (void)number;
  forked = fork();
}

/* fork_in(seconds): a handler of a signal forks then, whatever the process is doing */
static int fork_in(lua_State *L) {
  double seconds = luaL_checknumber(L, 1);
  struct sigaction action = {.sa_handler = on_fork_signal};
  struct itimerval timer = {{0, 0}, {0, (suseconds_t)(seconds * 1e6)}};
  forked = -1;
  sigaction(SIGALRM, &action, NULL);
  setitimer(ITIMER_REAL, &timer, NULL);
  return 0;
}

/* forked() → what that fork returned, -1 before it */
static int get_forked(lua_State *L) {
  lua_pushinteger(L, forked);
  return 1;
}

/* wait(pid) → its status, or minus the signal that killed it */
static int wait_for(lua_State *L) {
  int status = 0;
  while (waitpid((pid_t)luaL_checkinteger(L, 1), &status, 0) < 0 && errno == EINTR)
    ;
  lua_pushinteger(L, WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status));
  return 1;
}

static volatile sig_atomic_t signals;

static void on_signal(int number) {
  (void)number;
  signals = signals + 1;
}

/* interrupt(seconds): SIGALRM comes again and again after so many seconds, 0: not any more */
static int interrupt(lua_State *L) {
  double seconds = luaL_checknumber(L, 1);
  struct sigaction action = {.sa_handler = on_signal};
  struct itimerval timer = {{0, 0}, {0, 0}};
  timer.it_interval.tv_usec = timer.it_value.tv_usec = (suseconds_t)(seconds * 1e6);
  sigaction(SIGALRM, &action, NULL); /* without SA_RESTART */
  setitimer(ITIMER_REAL, &timer, NULL);
  return 0;
}

/* signals() → how many came since */
static int count_signals(lua_State *L) {
  lua_pushinteger(L, signals);
  return 1;
}

static void *listen_for_ever(void *nothing) {
  for (;;)
    pause();
  return nothing;
}

/* elsewhere(): SIGINT comes to another thread from now on, and interrupts no call of this one */
static int elsewhere(lua_State *L) {
  pthread_t thread;
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  if (pthread_create(&thread, NULL, listen_for_ever, NULL) != 0)
    return luaL_error(L, "no thread");
  pthread_detach(thread);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  return 0;
}

/* pipe_signal(): SIGPIPE kills again, as it does in a process that has not asked for anything */
static int pipe_signal(lua_State *L) {
  (void)L;
  signal(SIGPIPE, SIG_DFL);
  return 0;
}

/* limit(most): `ulimit -n` for this process */
static int limit(lua_State *L) {
  struct rlimit most;
  getrlimit(RLIMIT_NOFILE, &most);
  most.rlim_cur = (rlim_t)luaL_checkinteger(L, 1);
  lua_pushboolean(L, setrlimit(RLIMIT_NOFILE, &most) == 0);
  return 1;
}

/* Closes all the descriptors that fill took. */
static int give_back(lua_State *L) {
  int *taken = lua_touserdata(L, lua_upvalueindex(1));
  while (taken[0] > 0)
    close(taken[taken[0]--]);
  return 0;
}

/* fill(left) → function; takes all descriptors but for `left`, until that is called */
static int fill(lua_State *L) {
  int left = (int)luaL_checkinteger(L, 1), fd;
  int *taken = lua_newuserdata(L, sizeof *taken * 4096);
  taken[0] = 0;
  while (taken[0] < 4095 && (fd = dup(STDIN_FILENO)) >= 0)
    taken[++taken[0]] = fd;
  while (left-- > 0 && taken[0] > 0)
    close(taken[taken[0]--]);
  lua_pushcclosure(L, give_back, 1);
  return 1;
}

/* umask(mask) → the one before */
static int set_umask(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)umask((mode_t)luaL_checkinteger(L, 1)));
  return 1;
}

/* close(fd): of a descriptor that may be somebody else's */
static int close_fd(lua_State *L) {
  lua_pushboolean(L, close((int)luaL_checkinteger(L, 1)) == 0);
  return 1;
}

/* null(fd): the number becomes /dev/null, whatever it was */
static int null_fd(lua_State *L) {
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  lua_pushboolean(L, null >= 0 && dup2(null, (int)luaL_checkinteger(L, 1)) >= 0);
  close(null);
  return 1;
}

/* is_open(fd) */
static int is_open(lua_State *L) {
  lua_pushboolean(L, fcntl((int)luaL_checkinteger(L, 1), F_GETFD) >= 0);
  return 1;
}

/* descriptors() → how many are open */
static int descriptors(lua_State *L) {
  long most = sysconf(_SC_OPEN_MAX), open = 0;
  for (int fd = 0; fd < (most > 4096 ? 4096 : most); fd++)
    open += fcntl(fd, F_GETFD) >= 0;
  lua_pushinteger(L, (lua_Integer)open);
  return 1;
}

/* allocated() → bytes that malloc has handed out and not got back; nothing where it does not say */
static int allocated(lua_State *L) {
#ifdef HAS_MALLINFO2
  struct mallinfo2 info = mallinfo2();
  lua_pushnumber(L, (lua_Number)(info.uordblks + info.hblkhd));
  return 1;
#else
  (void)L;
  return 0;
#endif
}

/* Counts `needle` in the bytes from `start` to `end` of this process, read through `memory`, so
   that a page that cannot be read is no crash. */
static long count_in(int memory, uintptr_t start, uintptr_t end, const unsigned char *needle,
                     size_t size) {
  static unsigned char block[1 << 16];
  long found = 0;
  for (uintptr_t at = start; at < end; at += sizeof block - size) {
    ssize_t got = pread(memory, block, sizeof block, (off_t)at);
    for (ssize_t i = 0; i + (ssize_t)size <= got; i++) {
      size_t j = 0;
      while (j < size && block[i + (ssize_t)j] == (needle[j] ^ 0xFF))
        j++;
      found += j == size;
    }
    memset(block, 0, sizeof block);
    if (got < (ssize_t)sizeof block)
      break;
  }
  return found;
}

/* copies(inverted) → how often the text whose inverted bytes these are is in memory that can be
   written to */
static int copies(lua_State *L) {
  size_t size;
  const char *needle = luaL_checklstring(L, 1, &size);
  FILE *maps = fopen("/proc/self/maps", "r");
  int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  char line[512];
  unsigned long start, end;
  char rights[8];
  long found = 0;
  while (maps != NULL && fgets(line, sizeof line, maps) != NULL)
    if (sscanf(line, "%lx-%lx %7s", &start, &end, rights) == 3 && rights[1] == 'w')
      found += count_in(memory, start, end, (const unsigned char *)needle, size);
  if (maps != NULL)
    fclose(maps);
  close(memory);
  lua_pushinteger(L, found);
  return 1;
}

/* key(inverted) → the text, of 64 bytes at most; made here, so that no other copy of it is left */
static int key(lua_State *L) {
  size_t size;
  const char *inverted = luaL_checklstring(L, 1, &size);
  char text[64];
  luaL_argcheck(L, size <= sizeof text, 1, "too long");
  for (size_t i = 0; i < size; i++)
    text[i] = (char)(inverted[i] ^ 0xFF);
  lua_pushlstring(L, text, size);
  explicit_bzero(text, sizeof text);
  return 1;
}

__attribute__((visibility("default"))) int luaopen_unix(lua_State *L);

int luaopen_unix(lua_State *L) {
  static const luaL_Reg functions[] = {{"child", child},
                                       {"fork", fork_here},
                                       {"exit", exit_now},
                                       {"fork_in", fork_in},
                                       {"forked", get_forked},
                                       {"wait", wait_for},
                                       {"interrupt", interrupt},
                                       {"signals", count_signals},
                                       {"elsewhere", elsewhere},
                                       {"pipe_signal", pipe_signal},
                                       {"limit", limit},
                                       {"fill", fill},
                                       {"umask", set_umask},
                                       {"close", close_fd},
                                       {"null", null_fd},
                                       {"is_open", is_open},
                                       {"descriptors", descriptors},
                                       {"allocated", allocated},
                                       {"copies", copies},
                                       {"key", key},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
