#include "transfer/sync.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transfer/process.h"
#include "transfer/thread.h"

enum state { WAITING, OVER };

struct sync {
  struct sync *next;
  int fd; /* its own */
  unsigned process;
  atomic_int state;
  int failure;
  int given_up; /* nobody asks for it any more; under the mutex */
};

/* Under the mutex. In a child of fork it is all made anew, the mutex too, which may have been held
   when it was forked. */
static struct {
  pthread_mutex_t mutex;
  struct sync *first, *last;
  int running; /* there is a thread */
} queue = {.mutex = PTHREAD_MUTEX_INITIALIZER};
static atomic_uint process; /* that the queue is of (sora_process) */

static void begin_anew(void) {
  pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
  queue.mutex = fresh;
  queue.first = queue.last = NULL; /* the parent's, and its thread's to free */
  queue.running = 0;
}

static void enter(void) {
  unsigned now = sora_process(), before = atomic_exchange(&process, now);
  if (before != 0 && before != now)
    begin_anew();
  pthread_mutex_lock(&queue.mutex);
}

static void leave(void) {
  pthread_mutex_unlock(&queue.mutex);
}

int sora_sync_now(int fd) {
  int result;
  while ((result = fsync(fd)) != 0 && errno == EINTR)
    ;
  return result != 0 && (errno == EIO || errno == ENOSPC || errno == EDQUOT) ? errno : 0;
}

static void destroy(struct sync *sync) {
  close(sync->fd);
  free(sync);
}

static void *run(void *nothing) {
  pthread_mutex_lock(&queue.mutex);
  while (queue.first != NULL) {
    struct sync *sync = queue.first;
    pthread_mutex_unlock(&queue.mutex);
    sync->failure = sora_sync_now(sync->fd);
    pthread_mutex_lock(&queue.mutex);
    queue.first = sync->next;
    if (queue.first == NULL)
      queue.last = NULL;
    if (sync->given_up)
      destroy(sync);
    else
      atomic_store(&sync->state, OVER);
  }
  queue.running = 0;
  pthread_mutex_unlock(&queue.mutex);
  return nothing;
}

/* Takes over the descriptor. */
static struct sync *add(int fd, int given_up) {
  struct sync *sync = fd >= 0 ? calloc(1, sizeof *sync) : NULL;
  if (sync == NULL) {
    if (fd >= 0)
      close(fd);
    return NULL;
  }
  sync->fd = fd;
  sync->process = sora_process();
  sync->given_up = given_up;
  enter();
  if (queue.running || sora_thread_start(run, NULL) == 0) {
    queue.running = 1;
    if (queue.last != NULL)
      queue.last->next = sync;
    else
      queue.first = sync;
    queue.last = sync;
  } else {
    destroy(sync);
    sync = NULL;
  }
  leave();
  return sync;
}

struct sync *sora_sync_begin(int fd) {
  return add(fcntl(fd, F_DUPFD_CLOEXEC, 0), 0);
}

int sora_sync_forget(int fd) {
  return add(fcntl(fd, F_DUPFD_CLOEXEC, 0), 1) != NULL;
}

int sora_sync_is_over(const struct sync *sync, int *failure) {
  *failure = sync->process == sora_process() ? 0 : ECANCELED;
  if (*failure == 0 && atomic_load(&sync->state) != OVER)
    return 0;
  if (*failure == 0)
    *failure = sync->failure;
  return 1;
}

void sora_sync_end(struct sync *sync) {
  if (sync->process !=
      sora_process()) /* a copy of what the parent's thread may have been changing */
    return;
  enter();
  sync->given_up = 1;
  if (atomic_load(&sync->state) == OVER)
    destroy(sync);
  leave();
}
