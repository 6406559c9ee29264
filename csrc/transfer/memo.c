#include "transfer/memo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_LINE "sora part 1\n"

enum { LONGEST_MEMO = 80 * 1024 }; /* a URL has up to 64 KiB */

char *sora_memo_url(const char *url) {
  size_t length = strcspn(url, "?#");
  char *copy = malloc(length + 1);
  if (copy == NULL)
    return NULL;
  const char *host = strstr(url, "://");
  host = host != NULL && host < url + length ? host + 3 : url;
  const char *rest = host + strcspn(host, "/?#");
  while (rest > host && rest[-1] != '@') /* a user's name may hold one, too */
    rest--;
  size_t scheme = (size_t)(host - url), left = (size_t)(url + length - rest);
  memcpy(copy, url, scheme);
  memcpy(copy + scheme, rest, left);
  copy[scheme + left] = '\0';
  return copy;
}

void sora_memo_clear(struct memo *memo) {
  free(memo->url);
  memset(memo, 0, sizeof *memo);
  memo->of.total = -1;
}

/* ---- reading ---- */

/* Reads a small regular file as a string, malloc'ed. */
static char *read_text(const char *path) {
  struct stat status;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  char *text = NULL;
  if (fd < 0)
    return NULL;
  if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size < LONGEST_MEMO)
    text = malloc((size_t)status.st_size + 1);
  ssize_t size = text != NULL ? read(fd, text, (size_t)status.st_size) : -1;
  close(fd);
  if (size < 0) {
    free(text);
    return NULL;
  }
  text[size] = '\0';
  return text;
}

/* The value of the line "name value", terminated in its place; NULL where there is none. */
static char *value_of(char *line, const char *name) {
  size_t length = strlen(name);
  return strncmp(line, name, length) == 0 && line[length] == ' ' ? line + length + 1 : NULL;
}

static void keep(char *field, size_t size, const char *value) {
  if (strlen(value) < size)
    strcpy(field, value);
}

static void read_line(struct memo *memo, char *line) {
  char *value;
  if ((value = value_of(line, "part")) != NULL) {
    char *inode = value;
    memo->device = strtoull(value, &inode, 10);
    memo->inode = strtoull(inode, NULL, 10);
  } else if ((value = value_of(line, "url")) != NULL && memo->url == NULL) {
    memo->url = strdup(value);
  } else if ((value = value_of(line, "etag")) != NULL) {
    keep(memo->of.etag, sizeof memo->of.etag, value);
  } else if ((value = value_of(line, "modified")) != NULL) {
    keep(memo->of.modified, sizeof memo->of.modified, value);
  } else if (value_of(line, "strong-date") != NULL) {
    memo->of.date_is_strong = 1;
  } else if ((value = value_of(line, "size")) != NULL) {
    memo->of.total = strtoll(value, NULL, 10);
  } else if ((value = value_of(line, "began")) != NULL) {
    memo->began = strtoll(value, NULL, 10);
  }
}

int sora_memo_read(struct memo *memo, const char *path) {
  memset(memo, 0, sizeof *memo);
  memo->of.total = -1;
  char *text = read_text(path);
  int whole = text != NULL && strncmp(text, FIRST_LINE, strlen(FIRST_LINE)) == 0;
  if (whole) {
    char *rest = text + strlen(FIRST_LINE), *line;
    while ((line = rest) != NULL && *line != '\0') {
      rest = strchr(line, '\n');
      if (rest != NULL)
        *rest++ = '\0';
      read_line(memo, line);
    }
  }
  free(text);
  if (whole && memo->url != NULL && memo->inode != 0)
    return 1;
  sora_memo_clear(memo);
  return 0;
}

/* ---- writing ---- */

static int write_all(int fd, const char *text, size_t size) {
  while (size > 0) {
    ssize_t written = write(fd, text, size);
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return 0;
    text += written;
    size -= (size_t)written;
  }
  return 1;
}

/* Appends the line "name value", unless the value is empty. Returns the new end. */
static char *add_line(char *end, const char *name, const char *value) {
  return *value == '\0' ? end : end + sprintf(end, "%s %s\n", name, value);
}

static int write_lines(int fd, const struct memo *memo) {
  char *text = malloc(strlen(memo->url) + sizeof *memo + 256); /* 256: names and numbers */
  if (text == NULL)
    return 0;
  char *end = text + sprintf(text, FIRST_LINE "part %llu %llu\nurl %s\nbegan %lld\nsize %lld\n",
                             memo->device, memo->inode, memo->url, memo->began, memo->of.total);
  end = add_line(end, "etag", memo->of.etag);
  end = add_line(end, "modified", memo->of.modified);
  end = add_line(end, "strong-date", memo->of.date_is_strong ? "yes" : "");
  int written = write_all(fd, text, (size_t)(end - text));
  free(text);
  return written;
}

int sora_memo_write(const struct memo *memo, const char *path) {
  size_t length = strlen(path);
  char *fresh = malloc(length + 2);
  if (fresh == NULL)
    return 0;
  memcpy(fresh, path, length);
  strcpy(fresh + length, "~");
  unlink(fresh); /* of a process that died over it */
  int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  int written = fd >= 0 && write_lines(fd, memo);
  int failure = errno;
  if (fd >= 0 && close(fd) != 0 && written) { /* where a quota or a server says no */
    failure = errno;
    written = 0;
  }
  if (written && rename(fresh, path) != 0) {
    failure = errno;
    written = 0;
  }
  if (!written && fd >= 0)
    unlink(fresh);
  free(fresh);
  errno = failure;
  return written;
}
