#include "transfer/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAGIC = 16 /* bytes that tell what a file is */ };

/* The signatures of the WHATWG's "MIME Sniffing Standard", 6.1 and 6.2, and the brands of HEIF. */
static const struct signature {
  const char *type;
  int offset;
  const char *bytes;
} signatures[] = {
    {"image/jpeg", 0, "\xff\xd8\xff"}, {"image/png", 0, "\x89PNG\r\n\x1a\n"},
    {"image/gif", 0, "GIF87a"},        {"image/gif", 0, "GIF89a"},
    {"image/webp", 8, "WEBP"},         {"image/bmp", 0, "BM"},
    {"image/avif", 4, "ftypavif"},     {"image/heic", 4, "ftypheic"},
    {"image/heic", 4, "ftypmif1"},     {"video/quicktime", 4, "ftypqt"},
    {"video/mp4", 4, "ftyp"},          {"video/webm", 0, "\x1a\x45\xdf\xa3"},
    {"audio/mpeg", 0, "ID3"},          {"audio/wav", 8, "WAVE"},
    {"application/pdf", 0, "%PDF-"},
};

static const char *type_of(const char *bytes, long length) {
  for (unsigned long i = 0; i < sizeof signatures / sizeof *signatures; i++) {
    const struct signature *signature = &signatures[i];
    long size = (long)strlen(signature->bytes);
    if (signature->offset + size <= length &&
        memcmp(bytes + signature->offset, signature->bytes, (size_t)size) == 0)
      return signature->type;
  }
  return NULL;
}

const char *sora_upload_open(struct upload *upload, const char *path, long long most,
                             int *too_large) {
  char magic[MAGIC];
  struct stat found;
  const char *fault = NULL;
  *too_large = 0;
  upload->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (upload->fd < 0)
    return strerror(errno);
  if (fstat(upload->fd, &found) != 0) {
    fault = strerror(errno);
  } else if (!S_ISREG(found.st_mode)) {
    fault = S_ISDIR(found.st_mode) ? "is a folder" : "is no regular file";
  } else if (found.st_size == 0) {
    fault = "is empty";
  } else if (found.st_size > most) {
    *too_large = 1;
    fault = "is too large";
  } else {
    upload->size = found.st_size;
    long length = sora_upload_read(upload, magic, sizeof magic);
    if (length < 0 || !sora_upload_rewind(upload))
      fault = strerror(errno);
    else
      upload->type = type_of(magic, length);
  }
  if (fault != NULL)
    sora_upload_close(upload);
  return fault;
}

long sora_upload_read(const struct upload *upload, char *bytes, unsigned long size) {
  ssize_t length;
  do
    length = read(upload->fd, bytes, size < INT_MAX ? size : INT_MAX);
  while (length < 0 && errno == EINTR);
  return (long)length;
}

int sora_upload_rewind(const struct upload *upload) {
  return lseek(upload->fd, 0, SEEK_SET) == 0;
}

void sora_upload_close(struct upload *upload) {
  if (upload->fd >= 0)
    close(upload->fd);
  upload->fd = -1;
}
