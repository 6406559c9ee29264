/*
 * A file that goes to the service: a regular one of bearable size, and what it is by its first
 * bytes. Neither Lua nor curl is known here.
 */
#ifndef SORA_UPLOAD_H
#define SORA_UPLOAD_H

struct upload {
  int fd;           /* at its beginning; -1: none is open */
  long long size;   /* bytes */
  const char *type; /* its media type, NULL: not known */
};

/* Opens the file at `path`, of `most` bytes at most. Returns NULL, or what is wrong with it; then
 *too_large tells whether it is its size. Never waits, as the opening of a pipe would. */
const char *sora_upload_open(struct upload *upload, const char *path, long long most,
                             int *too_large);

/* Reads up to `size` bytes; returns how many there were, 0 at the end, below 0 after a failure. */
long sora_upload_read(const struct upload *upload, char *bytes, unsigned long size);

/* Goes back to the beginning. Returns 0 where that fails. */
int sora_upload_rewind(const struct upload *upload);

/* Idempotent. */
void sora_upload_close(struct upload *upload);

#endif
