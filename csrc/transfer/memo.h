/*
 * What a part on disk is of: a small file beside it, in lines of text.
 *
 * It is renamed into place before the part's first byte and names the part's inode, so that it is
 * never of another one. POSIX calls only.
 */
#ifndef SORA_MEMO_H
#define SORA_MEMO_H

#include "transfer/range.h"

struct memo {
  char *url; /* without user, query and fragment; malloc'ed */
  struct representation of;
  long long began;                  /* seconds since 1970 */
  unsigned long long device, inode; /* of the part */
};

/* The part of a URL that says which video it is of: without user, query and fragment, where the
   secrets are. Returns it malloc'ed, NULL without memory. */
char *sora_memo_url(const char *url);

/* Reads the file. Returns 0 where there is none that can be read and believed; `memo` is empty
   then. */
int sora_memo_read(struct memo *memo, const char *path);

/* Writes `path`, by way of `path` with a "~" behind it. Returns 0 with errno. */
int sora_memo_write(const struct memo *memo, const char *path);

/* Frees what it owns and empties it. */
void sora_memo_clear(struct memo *memo);

#endif
