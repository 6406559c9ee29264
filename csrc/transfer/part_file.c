#include "transfer/part_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transfer/process.h"
#include "transfer/sync.h"

enum {
  LONGEST_NAME = 255, /* where the file system does not say */
  OPENINGS = 8        /* how often a part that is renamed meanwhile is opened again */
};

static const char BUSY[] = "another download is writing this file";

/* ---- what is wrong ---- */

int sora_part_fail(struct part *part, const char *path, const char *why) {
  /* the end of a long path is what tells files apart */
  size_t length = strlen(path), room = sizeof part->why - strlen(why) - 8;
  snprintf(part->why, sizeof part->why, "%s%s: %s", length > room ? "..." : "",
           length > room ? path + length - room : path, why);
  return 0;
}

int sora_part_fail_with(struct part *part, const char *path, int failure) {
  char text[96] = "";
#ifdef __GLIBC__
  const char *said = strerror_r(failure, text, sizeof text); /* GNU's: not always in `text` */
#else
  const char *said = strerror_r(failure, text, sizeof text) == 0 ? text : "input/output error";
#endif
  return sora_part_fail(part, path, said != NULL ? said : "input/output error");
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
    return sora_part_fail(part, name_in(target), "not enough memory");
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

int sora_part_file_check_target(struct part *part, const struct stat *opened) {
  struct stat status;
  if (lstat(part->target, &status) != 0)
    return errno == ENOENT || sora_part_fail_with(part, part->target, errno);
  if (!S_ISREG(status.st_mode))
    return sora_part_fail(part, part->target, what_is(status.st_mode));
  if (opened != NULL && is_mounted(part->target, &status, opened))
    return sora_part_fail_with(part, part->target, EXDEV);
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
    return sora_part_fail_with(part, part->path, errno);
  int removed = lock(fd) ? unlink(part->path) == 0 || sora_part_fail_with(part, part->path, errno)
                         : sora_part_fail(part, part->path, BUSY);
  close(fd);
  return removed;
}

/* Whether a file that is there already may be taken over. */
static int check_former(struct part *part) {
  struct stat status;
  if (lstat(part->path, &status) != 0)
    return errno == ENOENT || sora_part_fail_with(part, part->path, errno);
  if (!S_ISREG(status.st_mode))
    return sora_part_fail(part, part->path, what_is(status.st_mode));
  if (status.st_nlink > 1)
    return sora_part_fail(part, part->path, "has another name as well");
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
  if (!sora_part_file_check_target(part, NULL) || !check_former(part))
    return NOT_OPENED;
  mode_t mode = part->has_target ? (part->mode & 0666) | 0600 : 0666;
  part->fd =
      open(part->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, mode);
  if (part->fd < 0)
    return sora_part_fail_with(part, part->path, errno), NOT_OPENED;
  part->process = sora_process();
  if (fstat(part->fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_nlink > 1) {
    close(part->fd);
    return sora_part_fail(part, part->path, "is not a regular file of one name"), NOT_OPENED;
  }
  part->device = part->memo.device = (unsigned long long)status.st_dev;
  part->inode = part->memo.inode = (unsigned long long)status.st_ino;
  if (!enter_table(part)) {
    close(part->fd);
    return sora_part_fail(part, part->path, BUSY), NOT_OPENED;
  }
  int locked = lock(part->fd);
  int moved = lstat(part->path, &named) != 0 || named.st_ino != status.st_ino ||
              named.st_dev != status.st_dev;
  if (locked && !moved && sora_part_file_check_target(part, &status))
    return OPENED;
  if (locked && !moved && status.st_size == 0) /* made just now, most likely */
    unlink(part->path);
  let_go(part);
  if (!locked)
    sora_part_fail(part, part->path, BUSY);
  return moved ? MOVED : NOT_OPENED;
}

static void free_names(struct part *part) {
  free(part->target);
  free(part->path);
  free(part->memo_path);
  free(part->url);
  part->target = part->path = part->memo_path = part->url = NULL;
}

int sora_part_file_open(struct part *part, const char *target) {
  enum opened opened = NOT_OPENED;
  if (make_names(part, target))
    for (int i = 0; i < OPENINGS && (opened = open_once(part)) == MOVED; i++)
      ;
  if (opened == OPENED) {
    part->why[0] = '\0';
    return 1;
  }
  if (part->why[0] == '\0')
    sora_part_fail(part, part->path, BUSY);
  free_names(part);
  return 0;
}

void sora_part_file_close(struct part *part) {
  let_go(part);
  free_names(part);
}

/* ---- after a fork ---- */

int sora_part_file_give_up(struct part *part) {
  struct stat status;
  if (part->process == sora_process())
    return 0;
  if (fstat(part->fd, &status) == 0 && (unsigned long long)status.st_ino == part->inode &&
      (unsigned long long)status.st_dev == part->device)
    close(part->fd);
  leave_table(part);
  part->fd = -1;
  sora_part_fail(part, part->path, "the process was forked meanwhile");
  free_names(part);
  return 1;
}

/* ---- the folder ---- */

int sora_part_file_has_its_name(const struct part *part) {
  struct stat named;
  return lstat(part->path, &named) == 0 && (unsigned long long)named.st_ino == part->inode &&
         (unsigned long long)named.st_dev == part->device;
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
