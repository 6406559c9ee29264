#include "transfer/reports.h"

#include <stdlib.h>

#include "transfer/client_parts.h"

struct report {
  struct report *next;
  struct attempt_report told;
};

void sora_request_observe(struct request *request) {
  request->reports.wanted = 1;
}

int sora_reports_prepare(struct request *request) {
  struct reports *reports = &request->reports;
  if (reports->wanted && reports->spare == NULL)
    reports->spare = calloc(1, sizeof *reports->spare);
  return !reports->wanted || reports->spare != NULL;
}

/* ---- filling one in ---- */

static double seconds_of(CURL *easy, CURLINFO info) {
  curl_off_t microseconds = 0;
  curl_easy_getinfo(easy, info, &microseconds);
  return (double)microseconds / 1e6;
}

/* libcurl counts from the beginning of the transfer to the end of each phase, and has 0 for one
   that was not reached. On a connection that stood before there is none of these. */
static void read_phases(CURL *easy, struct attempt_report *told) {
  double lookup = seconds_of(easy, CURLINFO_NAMELOOKUP_TIME_T);
  double connect = seconds_of(easy, CURLINFO_CONNECT_TIME_T);
  double handshake = seconds_of(easy, CURLINFO_APPCONNECT_TIME_T);
  if (lookup > 0)
    told->lookup = lookup;
  if (connect > 0)
    told->connect = connect > lookup ? connect - lookup : 0;
  if (handshake > 0)
    told->handshake = handshake > connect ? handshake - connect : 0;
}

static long version_of(CURL *easy) {
  long version = CURL_HTTP_VERSION_NONE;
  curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, &version);
  switch (version) {
  case CURL_HTTP_VERSION_1_0:
    return 10;
  case CURL_HTTP_VERSION_1_1:
    return 11;
  case CURL_HTTP_VERSION_2_0:
    return 20;
  default:
    return version == CURL_HTTP_VERSION_NONE ? 0 : 30;
  }
}

static void fill(const struct request *request, double pause, double now,
                 struct attempt_report *told) {
  const struct attempt *attempt = &request->attempt;
  const struct attempt_times *times = &attempt->times;
  *told = (struct attempt_report){
      .number = request->attempts,
      .kind = request->outcome.kind,
      .status = request->outcome.status,
      .queued = times->started - times->queued,
      .lookup = -1,
      .connect = -1,
      .handshake = -1,
      .first_byte = times->first_byte > 0 ? times->first_byte - times->started : -1,
      .total = now - times->started,
      .next_in = pause,
      .bytes = (long long)attempt->came,
      .reused = attempt->sent > 0 && !attempt->opened,
  };
  if (attempt->handle == NULL) /* the process was forked */
    return;
  if (attempt->opened)
    read_phases(attempt->handle->easy, told);
  if (attempt->head > 0)
    told->version = version_of(attempt->handle->easy);
}

/* ---- giving them out ---- */

static void list(struct request *request) {
  struct reported_list *reported = &request->place.client->reported;
  request->reports.listed = 1;
  request->reports.next_reported = NULL;
  if (reported->last != NULL)
    reported->last->reports.next_reported = request;
  else
    reported->first = request;
  reported->last = request;
}

void sora_reports_add(struct request *request, double pause, double now) {
  struct reports *reports = &request->reports;
  struct report *report = reports->spare;
  if (report == NULL)
    return;
  reports->spare = NULL;
  fill(request, pause, now, &report->told);
  if (reports->last != NULL)
    reports->last->next = report;
  else
    reports->first = report;
  reports->last = report;
  if (pause < 0)
    return; /* the request has ended: whoever is told of that asks for the report */
  request->place.client->news++;
  if (!reports->listed)
    list(request);
}

void sora_reports_unlist(struct request *request) {
  if (!request->reports.listed)
    return;
  struct reported_list *reported = &request->place.client->reported;
  struct request *before = NULL, *at = reported->first;
  for (; at != request; at = at->reports.next_reported)
    before = at;
  if (before != NULL)
    before->reports.next_reported = request->reports.next_reported;
  else
    reported->first = request->reports.next_reported;
  if (reported->last == request)
    reported->last = before;
  request->reports.listed = 0;
}

struct request *sora_client_next_reported(struct client *client) {
  struct request *request = client->reported.first;
  if (request != NULL)
    sora_reports_unlist(request);
  return request;
}

int sora_request_next_report(struct request *request, int ended, struct attempt_report *told) {
  struct reports *reports = &request->reports;
  struct report *report = reports->first;
  if (report == NULL || (report->told.next_in < 0 && !ended))
    return 0;
  sora_reports_unlist(request);
  *told = report->told;
  reports->first = report->next;
  if (reports->first == NULL)
    reports->last = NULL;
  free(report);
  return 1;
}

void sora_reports_free(struct reports *reports) {
  while (reports->first != NULL) {
    struct report *report = reports->first;
    reports->first = report->next;
    free(report);
  }
  free(reports->spare);
  *reports = (struct reports){0};
}
