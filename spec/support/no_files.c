/*
 * A library to be preloaded: what some file systems can't do. $NO_FLOCK, $NO_FSYNC and $NO_RENAME
 * hold the number of the error, $SLOW_FSYNC the seconds that a disk takes.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

static int fails(const char *name) {
  const char *number = getenv(name);
  if (number != NULL)
    errno = atoi(number);
  return number != NULL;
}

__attribute__((visibility("default"))) int flock(int fd, int operation) {
  int (*real)(int, int);
  *(void **)&real = dlsym(RTLD_NEXT, "flock");
  return fails("NO_FLOCK") ? -1 : real(fd, operation);
}

__attribute__((visibility("default"))) int fsync(int fd) {
  int (*real)(int);
  *(void **)&real = dlsym(RTLD_NEXT, "fsync");
  const char *seconds = getenv("SLOW_FSYNC");
  if (seconds != NULL) {
    double whole = strtod(seconds, NULL);
    struct timespec left = {(time_t)whole, (long)((whole - (double)(time_t)whole) * 1e9)};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
      ;
  }
  return fails("NO_FSYNC") ? -1 : real(fd);
}

__attribute__((visibility("default"))) int rename(const char *from, const char *to) {
  int (*real)(const char *, const char *);
  *(void **)&real = dlsym(RTLD_NEXT, "rename");
  return fails("NO_RENAME") ? -1 : real(from, to);
}
