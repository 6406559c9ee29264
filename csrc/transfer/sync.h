/*
 * fsync on a thread of its own: a disk may take seconds, and nobody else is to wait for it.
 *
 * There is one thread in a process. It is started when it is needed and ends when it has nothing
 * left to do; it knows neither Lua nor curl. In a child of fork there is none until it is needed
 * there.
 */
#ifndef SORA_SYNC_H
#define SORA_SYNC_H

struct sync;

/* Flushes the file now. Returns 0, or the errno of bytes that were lost: what a file system can't
   do is no failure. */
int sora_sync_now(int fd);

/* Has a file flushed. The descriptor stays the caller's. NULL: it can't be done beside the caller,
   for want of memory, descriptors or threads. */
struct sync *sora_sync_begin(int fd);

/* Whether that is over; `failure` as sora_sync_now returns it. */
int sora_sync_is_over(const struct sync *sync, int *failure);

/* Lets go of it, whether or not it is over. */
void sora_sync_end(struct sync *sync);

/* As sora_sync_begin, and nobody learns how it went. Returns 0 where that can't be done. */
int sora_sync_forget(int fd);

#endif
