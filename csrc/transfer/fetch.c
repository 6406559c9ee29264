/*
 * The body of a download: what is written to the file, and what is refused.
 */
#include <stdio.h>
#include <string.h>

#include "transfer/request.h"

enum { ERROR_PAGE = 4 * 1024 /* what is kept of an answer that is no video */ };

/* Whether the answer is the part that was asked for (RFC 9110, 14.4) and, as far as it says, of the
   video that the earlier part is of: a server may not know If-Range. Learns the size of the whole.
 */
static int range_fits(struct request *request) {
  const struct answer_headers *answer = &request->attempt.answer;
  const char *before = request->fetch.validator;
  const char *after = *before == '"' ? answer->etag : answer->last_modified;
  if (*before != '\0' && *after != '\0' && strcmp(before, after) != 0)
    return 0;
  long long first = -1, last = -1, total = -1;
  if (sscanf(answer->content_range, "bytes %lld-%lld/%lld", &first, &last, &total) < 2)
    return 0;
  request->fetch.total = total;
  return first == request->fetch.sink.offset;
}

int sora_fetch_accept(struct request *request, long status) {
  struct sink *sink = &request->fetch.sink;
  curl_off_t length = -1;
  if (status == 206) {
    if (range_fits(request))
      return 1;
    sora_request_refuse(request, ERROR_http, "the server sent another range");
    return 0;
  }
  curl_easy_getinfo(request->attempt.handle->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  request->fetch.total = length;
  if (sink->offset == 0 || sora_sink_restart(sink))
    return 1;
  sora_request_refuse(request, ERROR_io, strerror(sink->failure));
  return 0;
}

int sora_fetch_take(struct request *request, const char *bytes, size_t size) {
  struct sink *sink = &request->fetch.sink;
  long status = 0;
  curl_easy_getinfo(request->attempt.handle->easy, CURLINFO_RESPONSE_CODE, &status);
  if ((status != 200 && status != 206) || request->attempt.answer.text) {
    size_t room = ERROR_PAGE - request->body.length;
    if (sora_buffer_append(&request->body, bytes, size < room ? size : room))
      return 1;
    sora_request_refuse(request, ERROR_memory, "not enough memory");
    return 0;
  }
  if (sink->received == 0 && !sora_fetch_accept(request, status))
    return 0;
  if (sora_sink_write(sink, bytes, size))
    return 1;
  sora_request_refuse(request, ERROR_io, strerror(sink->failure));
  return 0;
}
