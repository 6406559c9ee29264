#include "transfer/part.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "transfer/content.h"
#include "transfer/process.h"
#include "transfer/sync.h"

enum {
  LONGEST_NAME = 255, /* where the file system does not say */
  OPENINGS = 8,       /* how often a part that is renamed meanwhile is opened again */
  BLOCK = 16 * 1024   /* bytes that are compared at once */
};

static const char BUSY[] = "another download is writing this file";

/* ---- what is wrong ---- */

static int fail(struct part *part, const char *path, const char *why) {
  /* the end of a long path is what tells files apart */
  size_t length = strlen(path), room = sizeof part->why - strlen(why) - 8;
  snprintf(part->why, sizeof part->why, "%s%s: %s", length > room ? "..." : "",
           length > room ? path + length - room : path, why);
  return 0;
}

static int fail_with(struct part *part, const char *path, int failure) {
  char text[96] = "";
#ifdef __GLIBC__
  const char *said = strerror_r(failure, text, sizeof text); /* GNU's: not always in `text` */
#else
  const char *said = strerror_r(failure, text, sizeof text) == 0 ? text : "input/output error";
#endif
  return fail(part, path, said != NULL ? said : "input/output error");
}

/* ---- the table of open parts ---- */

static pthread_mutex_t table_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct part *table;
static atomic_uint table_of; /* the process (sora_process); a child of it begins with none */

static void lock_table(void) {
  unsigned now = sora_process(), before = atomic_exchange(&table_of, now);
  if (before != 0 && before != now) { /* the mutex may have been held when it was forked */
    pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
    table_mutex = fresh;
    table = NULL;
  }
  pthread_mutex_lock(&table_mutex);
}

/* Enters the part. Returns 0 where somebody has it open in this
   process. What a parent of this process has open is left to flock. */
static int enter_table(struct part *part) {
  lock_table();
  struct part *other = table;
  while (other != NULL && !(other->inode == part->inode && other->device == part->device))
    other = other->next;
  if (other == NULL) {
    part->next = table;
    table = part;
  }
  pthread_mutex_unlock(&table_mutex);
  return other == NULL;
}

static void leave_table(struct part *part) {
  lock_table();
  for (struct part **link = &table; *link != NULL; link = &(*link)->next) {
    if (*link == part) {
      *link = part->next;
      break;
    }
  }
  pthread_mutex_unlock(&table_mutex);
}

/* ---- names ---- */

static const char *name_in(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash != NULL ? slash + 1 : path;
}

/* The path of the folder that `path` is in, malloc'ed. */
static char *folder_of(const char *path) {
  size_t length = (size_t)(name_in(path) - path);
  char *folder = malloc(length + 2);
  if (folder == NULL)
    return NULL;
  memcpy(folder, path, length);
  strcpy(folder + length, length == 0 ? "." : "");
  return folder;
}

/* FNV-1a, for names alone. */
static unsigned long long hash(const char *text) {
  unsigned long long value = 14695981039346656037ULL;
  for (; *text != '\0'; text++)
    value = (value ^ (unsigned char)*text) * 1099511628211ULL;
  return value;
}

/* Makes the names of the part and its memo: the target's with something behind it. A name that
   would be too long for the folder is cut, and told apart from others by a number. */
static int make_names(struct part *part, const char *target) {
  static const char most[] = ".part.memo~", number[] = "~0123456789abcdef";
  size_t length = strlen(target), name = strlen(name_in(target)), stem = length;
  char *folder = folder_of(target);
  long longest = folder != NULL ? pathconf(folder, _PC_NAME_MAX) : -1;
  free(folder);
  size_t room = (longest > 0 ? (size_t)longest : LONGEST_NAME) - (sizeof most - 1);
  int cut = name > room && room > sizeof number;
  if (cut)
    stem = length - name + room - (sizeof number - 1);
  size_t size = stem + sizeof number + sizeof most;
  part->target = strdup(target);
  part->path = malloc(size);
  part->memo_path = malloc(size);
  if (part->target == NULL || part->path == NULL || part->memo_path == NULL)
    return fail(part, name_in(target), "not enough memory");
  char tail[sizeof number] = "";
  if (cut)
    snprintf(tail, sizeof tail, "~%016llx", hash(target + stem));
  snprintf(part->path, size, "%.*s%s.part", (int)stem, target, tail);
  snprintf(part->memo_path, size, "%.*s%s.part.memo", (int)stem, target, tail);
  return 1;
}

/* ---- opening ---- */

static const char *what_is(mode_t mode) {
  if (S_ISDIR(mode))
    return "is a folder";
  if (S_ISLNK(mode))
    return "is a symbolic link";
  if (S_ISFIFO(mode))
    return "is a FIFO";
  return S_ISSOCK(mode) ? "is a socket" : "is a device";
}

/* Whether something is mounted on the file, so that no other can take its name. */
static int is_mounted(const char *path, const struct stat *target, const struct stat *part) {
#if defined STATX_ATTR_MOUNT_ROOT
  struct statx status;
  if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &status) == 0 &&
      (status.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT))
    return (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
#else
  (void)path;
#endif
  return target->st_dev != part->st_dev;
}

/* Looks at what the whole file will replace. `part`: what stat says of the part, NULL: not there
   yet. */
static int check_target(struct part *part, const struct stat *opened) {
  struct stat status;
  if (lstat(part->target, &status) != 0)
    return errno == ENOENT || fail_with(part, part->target, errno);
  if (!S_ISREG(status.st_mode))
    return fail(part, part->target, what_is(status.st_mode));
  if (opened != NULL && is_mounted(part->target, &status, opened))
    return fail_with(part, part->target, EXDEV);
  part->has_target = 1;
  part->mode = status.st_mode & 0777;
  return 1;
}

/* Locks the file. Where the file system has no locks, it goes on without one. */
static int lock(int fd) {
  int locked;
  while ((locked = flock(fd, LOCK_EX | LOCK_NB)) != 0 && errno == EINTR)
    ;
  return locked == 0 || errno != EWOULDBLOCK;
}

/* Removes a part of another user's, unless that is being written. */
static int remove_foreign(struct part *part) {
  int fd = open(part->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (fd < 0)
    return fail_with(part, part->path, errno);
  int removed = lock(fd) ? unlink(part->path) == 0 || fail_with(part, part->path, errno)
                         : fail(part, part->path, BUSY);
  close(fd);
  return removed;
}

/* Whether a file that is there already may be taken over. */
static int check_former(struct part *part) {
  struct stat status;
  if (lstat(part->path, &status) != 0)
    return errno == ENOENT || fail_with(part, part->path, errno);
  if (!S_ISREG(status.st_mode))
    return fail(part, part->path, what_is(status.st_mode));
  if (status.st_nlink > 1)
    return fail(part, part->path, "has another name as well");
  return status.st_uid == geteuid() || remove_foreign(part);
}

/* Lets go of the file that is open, the lock before the descriptor: a child of fork that has a copy
   of the descriptor would hold it on. */
static void let_go(struct part *part) {
  leave_table(part);
  flock(part->fd, LOCK_UN);
  close(part->fd);
  part->fd = -1;
}

enum opened { OPENED, MOVED, NOT_OPENED };

static enum opened open_once(struct part *part) {
  struct stat status, named;
  if (!check_target(part, NULL) || !check_former(part))
    return NOT_OPENED;
  mode_t mode = part->has_target ? (part->mode & 0666) | 0600 : 0666;
  part->fd =
      open(part->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, mode);
  if (part->fd < 0)
    return fail_with(part, part->path, errno), NOT_OPENED;
  part->process = sora_process();
  if (fstat(part->fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_nlink > 1) {
    close(part->fd);
    return fail(part, part->path, "is not a regular file of one name"), NOT_OPENED;
  }
  part->device = part->memo.device = (unsigned long long)status.st_dev;
  part->inode = part->memo.inode = (unsigned long long)status.st_ino;
  if (!enter_table(part)) {
    close(part->fd);
    return fail(part, part->path, BUSY), NOT_OPENED;
  }
  int locked = lock(part->fd);
  int moved = lstat(part->path, &named) != 0 || named.st_ino != status.st_ino ||
              named.st_dev != status.st_dev;
  if (locked && !moved && check_target(part, &status))
    return OPENED;
  if (locked && !moved && status.st_size == 0) /* made just now, most likely */
    unlink(part->path);
  let_go(part);
  if (!locked)
    fail(part, part->path, BUSY);
  return moved ? MOVED : NOT_OPENED;
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

static void free_names(struct part *part) {
  free(part->target);
  free(part->path);
  free(part->memo_path);
  free(part->url);
  part->target = part->path = part->memo_path = part->url = NULL;
}

void sora_part_init(struct part *part) {
  memset(part, 0, sizeof *part);
  part->fd = -1;
  part->memo.of.total = -1;
}

int sora_part_open(struct part *part, const char *target, long long most) {
  enum opened opened = NOT_OPENED;
  sora_part_init(part);
  part->most = most;
  if (make_names(part, target))
    for (int i = 0; i < OPENINGS && (opened = open_once(part)) == MOVED; i++)
      ;
  if (opened != OPENED) {
    if (part->why[0] == '\0')
      fail(part, part->path, BUSY);
    free_names(part);
    return 0;
  }
  part->why[0] = '\0';
  keep_former(part);
  part->state = PART_OPEN;
  return 1;
}

/* ---- after a fork ---- */

/* Whether the part is this process's, and open. In a child the descriptor is given up, if it is
   still ours, and nothing else. */
static int is_ours(struct part *part) {
  struct stat status;
  if (part->state == PART_CLOSED || part->process == sora_process())
    return part->state != PART_CLOSED;
  if (fstat(part->fd, &status) == 0 && (unsigned long long)status.st_ino == part->inode &&
      (unsigned long long)status.st_dev == part->device)
    close(part->fd);
  leave_table(part);
  part->state = PART_CLOSED;
  part->fd = -1;
  fail(part, part->path, "the process was forked meanwhile");
  free_names(part);
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
    return fail(part, part->path, "not enough memory");
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
    return fail_with(part, part->path, errno);
  free(part->memo.url);
  part->memo.url = strdup(part->url);
  if (part->memo.url == NULL)
    return fail(part, part->path, "not enough memory");
  part->memo.of = *of;
  part->memo.of.total = total;
  part->memo.began = (long long)time(NULL);
  return sora_memo_write(&part->memo, part->memo_path) || fail_with(part, part->memo_path, errno);
}

/* The size of the whole has become known. */
static int learn_total(struct part *part, long long total) {
  if (total < 0 || part->memo.of.total == total)
    return 1;
  part->memo.of.total = total;
  return sora_memo_write(&part->memo, part->memo_path) || fail_with(part, part->memo_path, errno);
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
    return fail_with(part, part->path, got == 0 ? EIO : errno), PART_FAILED;
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
    return fail_with(part, part->path, written == 0 ? ENOSPC : errno), PART_FAILED;
  *taken = (size_t)written;
  part->at += written;
  part->end = part->at;
  return PART_WRITTEN;
}

/* Drops what is there from `at` on. */
static int cut(struct part *part) {
  if (ftruncate(part->fd, (off_t)part->at) != 0)
    return fail_with(part, part->path, errno);
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

static int has_its_name(const struct part *part) {
  struct stat named;
  return lstat(part->path, &named) == 0 && (unsigned long long)named.st_ino == part->inode &&
         (unsigned long long)named.st_dev == part->device;
}

static void close_part(struct part *part) {
  let_go(part);
  free_names(part);
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
    return fail(part, part->path, "not enough memory");
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
      !has_its_name(part))
    return fail(part, part->path, "was changed by somebody else meanwhile");
  part->has_target = 0;
  if (!check_target(part, &status))
    return 0;
  if (part->has_target)
    (void)!fchmod(part->fd, part->mode); /* not everywhere are there permissions */
  if (rename(part->path, part->target) != 0)
    return fail_with(part, part->target, errno);
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
  if ((empty || (discard && part->memo.url != NULL)) && has_its_name(part)) {
    unlink(part->memo_path);
    unlink(part->path);
  }
  close_part(part);
}

void sora_part_flush_folder(const char *path, int beside) {
  char *folder = folder_of(path);
  int fd = folder != NULL ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  free(folder);
  if (fd < 0)
    return;
  if (!beside || !sora_sync_forget(fd))
    sora_sync_now(fd); /* whatever it says: the file has its name */
  close(fd);
}
