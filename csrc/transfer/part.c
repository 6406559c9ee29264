#include "transfer/part.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "transfer/content.h"
#include "transfer/part_file.h"

enum { BLOCK = 16 * 1024 }; /* bytes that are compared at once */

void sora_part_init(struct part *part) {
  memset(part, 0, sizeof *part);
  part->fd = -1;
  part->memo.of.total = -1;
}

/* Keeps of the file what its memo tells of. */
static void keep_former(struct part *part) {
  struct stat status;
  struct memo memo;
  part->own = 1;
  if (fstat(part->fd, &status) != 0 || status.st_size == 0 ||
      !sora_memo_read(&memo, part->memo_path))
    return;
  if (memo.inode == part->inode && memo.device == part->device) {
    part->memo = memo;
    part->end = (long long)status.st_size;
    part->own = 0;
  } else {
    sora_memo_clear(&memo);
  }
}

int sora_part_open(struct part *part, const char *target, long long most) {
  sora_part_init(part);
  part->most = most;
  if (!sora_part_file_open(part, target))
    return 0;
  keep_former(part);
  part->state = PART_OPEN;
  return 1;
}

/* Whether the part is this process's, and open. One of its parent's is closed. */
static int is_ours(struct part *part) {
  if (part->state == PART_CLOSED)
    return 0;
  if (!sora_part_file_give_up(part))
    return 1;
  part->state = PART_CLOSED;
  sora_memo_clear(&part->memo);
  return 0;
}

/* ---- question and answer ---- */

int sora_part_ask(struct part *part, const char *url) {
  if (!is_ours(part))
    return 0;
  sora_part_finish(part, 0);
  free(part->url);
  part->url = sora_memo_url(url);
  if (part->url == NULL)
    return sora_part_fail(part, part->path, "not enough memory");
  int other = part->memo.url == NULL || strcmp(part->memo.url, part->url) != 0;
  part->asked = sora_range_ask(&part->memo.of, part->end, part->own,
                               other || part->end == 0 ? DOUBT_ALL : part->doubt);
  return 1;
}

/* Empties the part and has its memo say what comes. */
static int start_over(struct part *part, const struct representation *of, long long total) {
  part->end = 0;
  part->own = 1;
  part->whole = 0;
  if (ftruncate(part->fd, 0) != 0)
    return sora_part_fail_with(part, part->path, errno);
  free(part->memo.url);
  part->memo.url = strdup(part->url);
  if (part->memo.url == NULL)
    return sora_part_fail(part, part->path, "not enough memory");
  part->memo.of = *of;
  part->memo.of.total = total;
  part->memo.began = (long long)time(NULL);
  return sora_memo_write(&part->memo, part->memo_path) ||
         sora_part_fail_with(part, part->memo_path, errno);
}

/* The size of the whole has become known. */
static int learn_total(struct part *part, long long total) {
  if (total < 0 || part->memo.of.total == total)
    return 1;
  part->memo.of.total = total;
  return sora_memo_write(&part->memo, part->memo_path) ||
         sora_part_fail_with(part, part->memo_path, errno);
}

static int fits(struct part *part, long long size) {
  part->too_large = part->most > 0 && size > part->most;
  return !part->too_large;
}

enum range_verdict sora_part_accept(struct part *part, const struct range_answer *answer) {
  if (!is_ours(part))
    return RANGE_REFUSE;
  struct range_outcome outcome = sora_range_judge(&part->asked, &part->memo.of, part->end, answer);
  int same_url = part->memo.url != NULL && strcmp(part->memo.url, part->url) == 0;
  if (outcome.verdict == RANGE_TAKE && !same_url)
    outcome.verdict = RANGE_FRESH; /* from the first byte: nothing else is asked of another URL */
  part->doubt = outcome.doubt;
  if (outcome.verdict == RANGE_AGAIN || outcome.verdict == RANGE_REFUSE)
    return outcome.verdict;
  if (!fits(part, outcome.total))
    return RANGE_REFUSE;
  if (!(outcome.verdict == RANGE_FRESH ? start_over(part, &answer->of, outcome.total)
                                       : learn_total(part, outcome.total)))
    return RANGE_REFUSE;
  if (outcome.verdict == RANGE_WHOLE) {
    part->whole = 1;
    return RANGE_WHOLE;
  }
  part->first = part->at = outcome.first;
  part->stop = outcome.stop;
  part->state = PART_TAKING;
  return RANGE_TAKE;
}

/* ---- bytes ---- */

/* Compares some of the bytes with what is there. */
static enum part_written compare(struct part *part, const char *bytes, size_t size, size_t *taken) {
  char there[BLOCK];
  if (size > sizeof there)
    size = sizeof there;
  if ((long long)size > part->end - part->at)
    size = (size_t)(part->end - part->at);
  ssize_t got;
  while ((got = pread(part->fd, there, size, (off_t)part->at)) < 0 && errno == EINTR)
    ;
  if (got <= 0) /* 0: somebody has cut it */
    return sora_part_fail_with(part, part->path, got == 0 ? EIO : errno), PART_FAILED;
  size_t equal = 0;
  while (equal < (size_t)got && there[equal] == bytes[equal])
    equal++;
  *taken = equal;
  part->at += (long long)equal;
  part->own |= part->at == part->end;
  return equal == (size_t)got ? PART_WRITTEN : PART_DIFFERS;
}

static enum part_written append(struct part *part, const char *bytes, size_t size, size_t *taken) {
  ssize_t written;
  while ((written = pwrite(part->fd, bytes, size, (off_t)part->at)) < 0 && errno == EINTR)
    ;
  if (written <= 0)
    return sora_part_fail_with(part, part->path, written == 0 ? ENOSPC : errno), PART_FAILED;
  *taken = (size_t)written;
  part->at += written;
  part->end = part->at;
  return PART_WRITTEN;
}

/* Drops what is there from `at` on. */
static int cut(struct part *part) {
  if (ftruncate(part->fd, (off_t)part->at) != 0)
    return sora_part_fail_with(part, part->path, errno);
  part->end = part->at;
  part->own = 1;
  return 1;
}

enum part_written sora_part_write(struct part *part, const char *bytes, size_t size) {
  if (!is_ours(part) || part->state != PART_TAKING)
    return PART_FAILED;
  if (part->stop >= 0 && (long long)size > part->stop - part->at) {
    part->doubt = DOUBT_ALL;
    return PART_DIFFERS;
  }
  if (!fits(part, part->at + (long long)size))
    return PART_FAILED;
  while (size > 0) {
    size_t taken = 0;
    enum part_written outcome = part->at < part->end ? compare(part, bytes, size, &taken)
                                                     : append(part, bytes, size, &taken);
    bytes += taken;
    size -= taken;
    if (outcome == PART_DIFFERS && part->first > 0) {
      part->doubt = DOUBT_ALL;
      return PART_DIFFERS;
    }
    if (outcome == PART_DIFFERS) /* no loss: the answer has the rest as well */
      outcome = cut(part) ? PART_WRITTEN : PART_FAILED;
    if (outcome == PART_FAILED)
      return PART_FAILED;
  }
  return PART_WRITTEN;
}

void sora_part_finish(struct part *part, int complete) {
  if (!is_ours(part) || part->state != PART_TAKING)
    return;
  part->state = PART_OPEN;
  if (!complete || part->at < part->stop)
    return;
  if (part->stop < 0 && part->at < part->end && !cut(part)) /* it ends before the part does */
    return;
  int all = part->stop < 0 || part->end == part->memo.of.total;
  part->whole = all && part->at == part->end;
}

/* ---- the end ---- */

static void close_part(struct part *part) {
  sora_part_file_close(part);
  sora_memo_clear(&part->memo);
  part->state = PART_CLOSED;
}

int sora_part_name_by_kind(struct part *part) {
  char first[64];
  if (!is_ours(part))
    return 0;
  size_t length = strlen(part->target);
  ssize_t size = pread(part->fd, first, sizeof first, 0);
  if (size <= 0 || length < 4 || strcmp(part->target + length - 4, ".mp4") != 0)
    return 1;
  char *target = realloc(part->target, length + 2);
  if (target == NULL)
    return sora_part_fail(part, part->path, "not enough memory");
  strcpy(target + length - 4, sora_content_suffix(first, (size_t)size));
  part->target = target;
  return 1;
}

int sora_part_commit(struct part *part) {
  struct stat status;
  if (!is_ours(part))
    return 0;
  sora_part_finish(part, 0);
  if (!part->whole || fstat(part->fd, &status) != 0 || (long long)status.st_size != part->end ||
      !sora_part_file_has_its_name(part))
    return sora_part_fail(part, part->path, "was changed by somebody else meanwhile");
  part->has_target = 0;
  if (!sora_part_file_check_target(part, &status))
    return 0;
  if (part->has_target)
    (void)!fchmod(part->fd, part->mode); /* not everywhere are there permissions */
  if (rename(part->path, part->target) != 0)
    return sora_part_fail_with(part, part->target, errno);
  unlink(part->memo_path);
  close_part(part);
  return 1;
}

void sora_part_abandon(struct part *part, int discard) {
  struct stat status;
  if (!is_ours(part))
    return;
  sora_part_finish(part, 0);
  int empty = fstat(part->fd, &status) == 0 && status.st_size == 0;
  if ((empty || (discard && part->memo.url != NULL)) && sora_part_file_has_its_name(part)) {
    unlink(part->memo_path);
    unlink(part->path);
  }
  close_part(part);
}
