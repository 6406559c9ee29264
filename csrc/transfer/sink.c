#include "transfer/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int failed(struct sink *sink) {
  sink->failure = errno != 0 ? errno : EIO;
  return 0;
}

/* Whether the locked file has lost its name meanwhile: a whole download has been renamed. */
static int has_moved(int fd, const char *path) {
  struct stat opened, named;
  return fstat(fd, &opened) != 0 || stat(path, &named) != 0 || opened.st_ino != named.st_ino ||
         opened.st_dev != named.st_dev;
}

/* Cuts the file to `size`. One that has this size keeps its time, which ftruncate would change. */
static int cut(int fd, long long size) {
  struct stat status;
  return (fstat(fd, &status) == 0 && status.st_size == (off_t)size) ||
         ftruncate(fd, (off_t)size) == 0;
}

int sora_sink_open(struct sink *sink, const char *path, long long offset) {
  sink->offset = offset;
  sink->received = 0;
  sink->failure = 0;
  sink->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (sink->fd < 0)
    return failed(sink);
  int locked = flock(sink->fd, LOCK_EX | LOCK_NB) == 0;
  if (locked && has_moved(sink->fd, path)) {
    locked = 0;
    errno = EWOULDBLOCK;
  }
  if (!locked || !cut(sink->fd, offset) || lseek(sink->fd, (off_t)offset, SEEK_SET) < 0) {
    failed(sink);
    sora_sink_close(sink);
    return 0;
  }
  return 1;
}

int sora_sink_restart(struct sink *sink) {
  sink->offset = 0;
  if (ftruncate(sink->fd, 0) != 0 || lseek(sink->fd, 0, SEEK_SET) < 0)
    return failed(sink);
  return 1;
}

int sora_sink_write(struct sink *sink, const char *bytes, unsigned long size) {
  while (size > 0) {
    ssize_t written = write(sink->fd, bytes, size);
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0)
      return failed(sink);
    bytes += written;
    size -= (unsigned long)written;
    sink->received += written;
  }
  return 1;
}

int sora_sink_sync(struct sink *sink, long long modified) {
  struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = (time_t)modified}};
  if (modified >= 0 && futimens(sink->fd, times) != 0)
    return failed(sink);
  return fsync(sink->fd) == 0 ? 1 : failed(sink);
}

void sora_sink_close(struct sink *sink) {
  if (sink->fd >= 0)
    close(sink->fd);
  sink->fd = -1;
}

int sora_rename(const char *from, const char *to) {
  if (rename(from, to) != 0)
    return 0;
  char folder[4096] = ".";
  const char *slash = strrchr(to, '/');
  if (slash != NULL && (size_t)(slash - to) < sizeof folder - 1) {
    size_t length = slash == to ? 1 : (size_t)(slash - to);
    memcpy(folder, to, length);
    folder[length] = '\0';
  }
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0) {
    fsync(fd); /* a file system that can't flush a folder says so here; the file is in its place all
                  the same */
    close(fd);
  }
  return 1;
}

int sora_stat(const char *path, long long *size, long long *modified) {
  struct stat status;
  if (stat(path, &status) != 0)
    return 0;
  *size = (long long)status.st_size;
  *modified = (long long)status.st_mtime;
  return 1;
}
