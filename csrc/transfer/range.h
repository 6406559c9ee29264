/*
 * What a server's answer is of a video of which a part is there already (RFC 9110, 13 and 14).
 *
 * Pure functions over what the headers said: no file, no clock, neither Lua nor curl.
 */
#ifndef SORA_RANGE_H
#define SORA_RANGE_H

/* Bytes at the end of a part that are asked for again; of a small part, an eighth. */
enum { RANGE_STRETCH = 4096 };

/* What a server said of the video's representation. Texts are as they came, "": none did. */
struct representation {
  char etag[128];
  char modified[48];  /* Last-Modified */
  int date_is_strong; /* RFC 9110, 8.8.2.2: the answer was made at least a second later */
  long long total;    /* bytes of the whole, below 0: not known */
};

/* How little is trusted in the server, or in the part, with each question of one download. */
enum doubt {
  DOUBT_NONE, /* If-Range with the entity tag, where that is a strong one */
  DOUBT_TAG, /* with the date: a strong one, or size and last stretch have to be the same as well */
  DOUBT_DATE, /* neither: size and last stretch have to be the same */
  DOUBT_ALL   /* from the first byte */
};

struct range_question {
  enum doubt doubt;
  long long from;       /* first byte that is asked for, 0: no Range at all */
  const char *if_range; /* points into the representation, NULL: none */
};

struct range_answer {
  long status;               /* of HTTP: 200, 206 or 416 */
  const char *content_range; /* "": none came */
  long long length;          /* Content-Length, below 0: none came */
  int encoded;               /* Content-Encoding: lengths are not those of the file */
  struct representation of;  /* its total is not read */
};

enum range_verdict {
  RANGE_TAKE,  /* its bytes are of the part's video, and begin at `first` */
  RANGE_FRESH, /* its bytes begin at 0, and nothing says that they are of the same video */
  RANGE_WHOLE, /* no bytes: what is there is all */
  RANGE_AGAIN, /* of no use: to be asked again, with more doubt */
  RANGE_REFUSE /* of no use, and neither would another question be */
};

struct range_outcome {
  enum range_verdict verdict;
  enum doubt doubt; /* of the next question */
  long long first;  /* of the answer's bytes … */
  long long stop;   /* … and the one after their last; below 0: not known */
  long long total;  /* bytes of the whole; below 0: not known */
};

/* How to ask for the rest of a part of `end` bytes. `own`: this download has written them all. */
struct range_question sora_range_ask(const struct representation *known, long long end, int own,
                                     enum doubt doubt);

/* What the answer is. */
struct range_outcome sora_range_judge(const struct range_question *asked,
                                      const struct representation *known, long long end,
                                      const struct range_answer *answer);

struct content_range {
  long long first, last; /* below 0: the range was not satisfiable */
  long long total;       /* below 0: not told */
};

/* Reads Content-Range (RFC 9110, 14.4). Returns 0 for what is none, of one part of bytes. */
int sora_range_parse(const char *text, struct content_range *range);

/* Whether an answer that was made at `date` has, in `modified`, a strong validator (RFC 9110,
   8.8.2.2); both in seconds since 1970, below 0: not known. */
int sora_range_date_is_strong(long long modified, long long date);

#endif
