/*
 * What a body is, by its type and its first bytes: a video, or what servers send in its place.
 */
#ifndef SORA_CONTENT_H
#define SORA_CONTENT_H

#include <stddef.h>

enum content {
  CONTENT_VIDEO,    /* or what may be one, as far as can be told */
  CONTENT_HTML,     /* a page */
  CONTENT_PLAYLIST, /* M3U8: a list of pieces, each at a URL of its own (RFC 8216) */
  CONTENT_TEXT      /* JSON, XML, or any other text */
};

/* So many first bytes are enough. Fewer are looked at where there are no more. */
enum { CONTENT_TOLD = 16 };

/* `type`: Content-Type as it came, "" without one. A known opening (MP4, MOV, WebM, GIF, AVI, MPEG)
   is a video's whatever the type says, markup and JSON are none; else the type decides, and where
   that says nothing, whether the bytes can be text. */
enum content sora_content_of(const char *type, const char *bytes, size_t size);

/* What a file of that opening is usually called at its end, ".mp4" where that is not known; at most
   five bytes. */
const char *sora_content_suffix(const char *bytes, size_t size);

#endif
