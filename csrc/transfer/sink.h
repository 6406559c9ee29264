/*
 * The file that a download is written to.
 *
 * A part of the file may be there already. POSIX calls only: neither Lua nor curl is known here.
 */
#ifndef SORA_SINK_H
#define SORA_SINK_H

struct sink {
  int fd;           /* -1: closed */
  long long offset; /* bytes of an earlier part that are kept */
  long long received;
  int failure; /* errno of what went wrong, 0: nothing */
};

/* Opens `path` for the bytes from `offset` on, made if need be, and locks it against a second
   download. Returns 0 with `failure` set when that can't be done (EWOULDBLOCK: somebody else is
   writing it). */
int sora_sink_open(struct sink *sink, const char *path, long long offset);

/* Drops the earlier part: what comes now begins at byte 0. Returns 0 with `failure` set on an
 * error. */
int sora_sink_restart(struct sink *sink);

/* Appends bytes. Returns 0 with `failure` set when they could not all be written. */
int sora_sink_write(struct sink *sink, const char *bytes, unsigned long size);

/* Flushes the file to the disk (fsync) and gives it the time `modified` (seconds since 1970, below
   0: leave it). Returns 0 with `failure` set on an error. */
int sora_sink_sync(struct sink *sink, long long modified);

/* Idempotent. */
void sora_sink_close(struct sink *sink);

/* Renames `from` to `to` and flushes the folder, so that the name lasts. Returns 0 with errno on an
 * error. */
int sora_rename(const char *from, const char *to);

/* The size of the file and its time of modification (seconds since 1970); 0 when there is no such
 * file. */
int sora_stat(const char *path, long long *size, long long *modified);

#endif
