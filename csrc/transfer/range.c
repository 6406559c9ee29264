#include "transfer/range.h"

#include <limits.h>
#include <string.h>

/* ---- Content-Range ---- */

/* Reads digits; returns what follows them, NULL where there are none or they are too many. */
static const char *read_number(const char *text, long long *number) {
  const char *start = text;
  *number = 0;
  for (; *text >= '0' && *text <= '9'; text++) {
    if (*number > (LLONG_MAX - 9) / 10)
      return NULL;
    *number = *number * 10 + (*text - '0');
  }
  return text == start ? NULL : text;
}

int sora_range_parse(const char *text, struct content_range *range) {
  static const char unit[] = "bytes ";
  for (size_t i = 0; unit[i] != '\0'; i++)
    if (text[i] == '\0' || (text[i] | 0x20) != unit[i])
      return 0;
  text += sizeof unit - 1;
  range->first = range->last = range->total = -1;
  if (*text == '*') {
    text++;
  } else {
    text = read_number(text, &range->first);
    if (text == NULL || *text != '-' || (text = read_number(text + 1, &range->last)) == NULL ||
        range->last < range->first)
      return 0;
  }
  if (*text++ != '/')
    return 0;
  if (strcmp(text, "*") == 0)
    return range->first >= 0;
  text = read_number(text, &range->total);
  if (text == NULL || *text != '\0')
    return 0;
  return range->first < 0 || range->last < range->total;
}

int sora_range_date_is_strong(long long modified, long long date) {
  return modified >= 0 && date >= 0 && date - modified >= 1;
}

/* ---- validators ---- */

static int is_strong(const char *etag) {
  return *etag == '"';
}

/* RFC 9110, 8.8.3.2: the weak comparison. */
static int tags_match(const char *a, const char *b) {
  a += strncmp(a, "W/", 2) == 0 ? 2 : 0;
  b += strncmp(b, "W/", 2) == 0 ? 2 : 0;
  return strcmp(a, b) == 0;
}

/* Whether the answer says that it is of another video. */
static int differs(const struct representation *a, const struct representation *b) {
  if (*a->etag != '\0' && *b->etag != '\0')
    return !tags_match(a->etag, b->etag);
  return *a->modified != '\0' && *b->modified != '\0' && strcmp(a->modified, b->modified) != 0;
}

/* Whether both have the same strong validator, so that the answer is of the video that is known. */
static int is_same_by_validator(const struct representation *known,
                                const struct representation *answer) {
  if (is_strong(known->etag) && strcmp(known->etag, answer->etag) == 0)
    return 1;
  return known->date_is_strong && *known->modified != '\0' && !differs(known, answer) &&
         strcmp(known->modified, answer->modified) == 0;
}

/* Whether an answer from the first byte on is, by its headers, of the part's video. They need not
   prove it: its bytes are compared with the part's. */
static int seems_same(const struct representation *known, const struct representation *answer,
                      long long total) {
  if (differs(known, answer))
    return 0;
  if (known->total >= 0 && total >= 0)
    return known->total == total;
  return is_same_by_validator(known, answer);
}

/* ---- question and answer ---- */

struct range_question sora_range_ask(const struct representation *known, long long end, int own,
                                     enum doubt doubt) {
  struct range_question question = {.doubt = doubt};
  if (question.doubt == DOUBT_NONE && !is_strong(known->etag))
    question.doubt = DOUBT_TAG;
  if (question.doubt == DOUBT_TAG && *known->modified == '\0')
    question.doubt = DOUBT_DATE;
  int strong =
      question.doubt == DOUBT_NONE || (question.doubt == DOUBT_TAG && known->date_is_strong);
  if ((!strong && known->total < 0) || (known->total >= 0 && end > known->total))
    question.doubt = DOUBT_ALL;
  if (question.doubt == DOUBT_ALL)
    return question;
  int exact = own && strong;
  long long stretch = end > RANGE_STRETCH ? RANGE_STRETCH : end / 8;
  question.from = exact ? end : end - stretch;
  if (!exact && stretch == 0)
    question.from = 0; /* nothing would be compared */
  if (question.from == 0)
    return question;
  if (question.doubt == DOUBT_NONE)
    question.if_range = known->etag;
  else if (question.doubt == DOUBT_TAG)
    question.if_range = known->modified;
  return question;
}

static struct range_outcome useless(const struct range_question *asked, enum doubt doubt) {
  struct range_outcome outcome = {RANGE_REFUSE, doubt, 0, -1, -1};
  if (asked->from > 0)
    outcome.verdict = RANGE_AGAIN;
  return outcome;
}

/* From the first byte on, whether that was asked for or not. */
static struct range_outcome from_the_start(const struct range_question *asked,
                                           const struct representation *known, long long end,
                                           const struct range_answer *answer, long long stop,
                                           long long total) {
  struct range_outcome outcome = {RANGE_FRESH, DOUBT_NONE, 0, stop, total};
  if (end > 0 && seems_same(known, &answer->of, total)) {
    outcome.verdict = RANGE_TAKE;
    outcome.doubt =
        asked->doubt; /* this Range was not heeded; with a weaker condition one may be */
    if (asked->from > 0 && asked->doubt < DOUBT_DATE)
      outcome.doubt = asked->doubt + 1;
  }
  return outcome;
}

/* A later stretch, as it was asked for. */
static struct range_outcome the_rest(const struct range_question *asked,
                                     const struct representation *known, long long end,
                                     const struct range_answer *answer,
                                     const struct content_range *range) {
  struct range_outcome outcome = {RANGE_TAKE, asked->doubt, range->first, range->last + 1,
                                  range->total >= 0 ? range->total : known->total};
  int same_size = known->total >= 0 && range->total == known->total;
  if (differs(known, &answer->of) || (known->total >= 0 && range->total >= 0 && !same_size))
    return useless(asked, DOUBT_ALL);
  if (is_same_by_validator(known, &answer->of) || (same_size && asked->from < end))
    return outcome;
  return useless(asked, asked->doubt < DOUBT_DATE ? DOUBT_DATE : DOUBT_ALL);
}

static struct range_outcome not_satisfiable(const struct range_question *asked,
                                            const struct representation *known, long long end,
                                            const struct range_answer *answer,
                                            const struct content_range *range) {
  if (asked->from == 0 || asked->from != end || range->total != end || differs(known, &answer->of))
    return useless(asked, DOUBT_ALL);
  struct range_outcome outcome = {RANGE_WHOLE, asked->doubt, end, end, end};
  return outcome;
}

struct range_outcome sora_range_judge(const struct range_question *asked,
                                      const struct representation *known, long long end,
                                      const struct range_answer *answer) {
  struct content_range range = {-1, -1, -1};
  int told = sora_range_parse(answer->content_range, &range);
  if (answer->status == 416)
    return not_satisfiable(asked, known, end, answer, &range);
  int whole = told && range.first == 0 && (range.total < 0 || range.last + 1 == range.total);
  if (answer->status != 206 && (!told || whole)) {
    long long total = answer->length >= 0 ? answer->length : range.total;
    if (answer->encoded)
      total = -1;
    return from_the_start(asked, known, end, answer, total, total);
  }
  /* a part, whether or not the status says so */
  if (!told || range.first != asked->from || answer->encoded ||
      (answer->length >= 0 && answer->length != range.last - range.first + 1))
    return useless(asked, DOUBT_ALL);
  return asked->from > 0 ? the_rest(asked, known, end, answer, &range)
                         : from_the_start(asked, known, end, answer, range.last + 1, range.total);
}
