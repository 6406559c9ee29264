/*
 * What is told of each attempt of a request that is observed. A request that nobody observes has
 * none of it. For transfer/ alone: others read reports through client.h. Lua is not known here.
 *
 * A report is allocated before its attempt begins, where want of memory can still end the request:
 * when the attempt is over nothing can fail.
 */
#ifndef SORA_REPORTS_H
#define SORA_REPORTS_H

struct client;
struct report;
struct request;

/* Of one request. All zero: nobody observes it. */
struct reports {
  int wanted;
  struct report *spare;          /* for the attempt that runs */
  struct report *first, *last;   /* of attempts that are over, not read yet */
  int listed;                    /* the request is in its client's list … */
  struct request *next_reported; /* … before this one */
};

/* A client's requests that have something to tell and have not ended. */
struct reported_list {
  struct request *first, *last;
};

/* Before an attempt. Returns 0 without memory. */
int sora_reports_prepare(struct request *request);

/* An attempt is over, its handle still there where libcurl has it; `pause` is what
   sora_attempt_over has returned. */
void sora_reports_add(struct request *request, double pause, double now);

/* Takes the request out of its client's list, where it is in that. */
void sora_reports_unlist(struct request *request);

void sora_reports_free(struct reports *reports);

#endif
