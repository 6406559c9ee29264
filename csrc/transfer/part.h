/*
 * The part of a video: the file beside its target that a download writes, from open to commit or
 * abandon.
 *
 *   state        holds                                leaves it by
 *   PART_CLOSED  nothing                              open -> OPEN
 *   PART_OPEN    the file, its lock, its memo, a      accept -> TAKING; commit, abandon -> CLOSED
 *                place in the table of open parts
 *   PART_TAKING  these, and an answer's bytes come:   finish -> OPEN; abandon -> CLOSED
 *                below `end` they are compared with
 *                what is there, above it written
 *
 * In a child of fork every part of its parent's is CLOSED: the lock and the name stay the parent's.
 *
 * Two downloads never write one part: the table keeps them apart in one process, flock(2)
 * elsewhere, on file systems that have it. POSIX calls only: neither Lua nor curl is known here.
 */
#ifndef SORA_PART_H
#define SORA_PART_H

#include <sys/types.h>

#include "transfer/memo.h"
#include "transfer/range.h"

enum part_state { PART_CLOSED, PART_OPEN, PART_TAKING };

struct part {
  enum part_state state;
  int fd;
  unsigned process;                 /* that has opened it */
  char *target;                     /* path of the whole file; malloc'ed, as the next two */
  char *path, *memo_path;           /* of the part and its memo, beside it */
  int has_target;                   /* a file to be replaced was there, with … */
  mode_t mode;                      /* … these permissions, which the new one gets */
  struct memo memo;                 /* what the bytes are of; without a URL: of nothing */
  char *url;                        /* what is asked for now, as sora_memo_url gives it */
  unsigned long long device, inode; /* of the file: what the table knows it by */
  struct part *next;                /* in the table of open parts */
  long long end;                    /* the bytes up to here are kept */
  int own;                          /* this download has written them all */
  enum doubt doubt;                 /* of the next question */
  struct range_question asked;
  /* while an answer's bytes are taken: */
  long long first; /* of the answer's bytes … */
  long long stop;  /* … and the one after their last; below 0: not known */
  long long at;    /* where the next byte goes */
  int whole;       /* the bytes are all that there are */
  long long most;  /* bytes that the file may have, 0: any number */
  int too_large;   /* it would have more */
  char why[192];   /* what went wrong with the file, "" nothing; begins with its path */
};

/* Makes a part that is closed of zeroed memory or any other. */
void sora_part_init(struct part *part);

/* Opens the part of `target`, made if need be; what was there is kept as far as its memo tells what
   it is of. Neither follows a link nor waits for anything. Returns 0, with `why`, where that can't
   be done or the target could not be replaced: nothing has changed then. `most`: bytes that the
   file may have, 0: any number. */
int sora_part_open(struct part *part, const char *target, long long most);

/* Says how to ask for what is missing of the video at `url`. What is there of another one is
   forgotten when the answer has come. The question is `asked`. Returns 0 where the part is not
   open, or memory is short. */
int sora_part_ask(struct part *part, const char *url);

/* Takes in what the headers of the answer say, before its first byte. Returns
   RANGE_TAKE    the bytes are awaited
   RANGE_WHOLE   none are missing
   RANGE_AGAIN   to be asked once more, with the next sora_part_ask
   RANGE_REFUSE  this server has no more of the video or, with `why` or `too_large`, the file can't
                 have it */
enum range_verdict sora_part_accept(struct part *part, const struct range_answer *answer);

enum part_written {
  PART_WRITTEN,
  PART_DIFFERS, /* the bytes are not of the part's video, or too many: as RANGE_AGAIN */
  PART_FAILED   /* see `why` and `too_large` */
};

/* Takes in bytes of the answer. */
enum part_written sora_part_write(struct part *part, const char *bytes, size_t size);

/* The answer is over; `complete`: its server says that this was all of it. */
void sora_part_finish(struct part *part, int complete);

/* Has the target end as its kind of video does, where it ends with ".mp4" now. Returns 0 without
   memory. */
int sora_part_name_by_kind(struct part *part);

/* Gives a part that is whole its name. To be flushed before that: see sync.h. Returns 0 with `why`;
   the part stays open then. */
int sora_part_commit(struct part *part);

/* Leaves the part on disk for a later download, or, with `discard` or with nothing in it, removes
   it. Idempotent; frees what it owns. */
void sora_part_abandon(struct part *part, int discard);

/* Flushes the folder of the path, so that a new name lasts; `beside`: on a thread (sync.h). */
void sora_part_flush_folder(const char *path, int beside);

#endif
