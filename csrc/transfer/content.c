#include "transfer/content.h"

#include <string.h>

enum { LOOKED_AT = 512 };

static int begins(const char *bytes, size_t size, size_t at, const char *text, size_t length) {
  return size >= at + length && memcmp(bytes + at, text, length) == 0;
}

#define BEGINS(at, text) begins(bytes, size, at, text, sizeof(text) - 1)

/* ISO base media (MP4, MOV) begins with a box: a size, then its kind. */
static int is_video(const char *bytes, size_t size) {
  return BEGINS(4, "ftyp") || BEGINS(4, "moov") || BEGINS(4, "mdat") || BEGINS(4, "wide") ||
         BEGINS(0, "\x1A\x45\xDF\xA3") || BEGINS(0, "GIF87a") || BEGINS(0, "GIF89a") ||
         (BEGINS(0, "RIFF") && BEGINS(8, "AVI ")) || BEGINS(0, "OggS") ||
         BEGINS(0, "\x00\x00\x01\xBA") || BEGINS(0, "\x00\x00\x01\xB3");
}

/* Whether the ASCII letters of `text` (lower-case) are at the start, in either case. */
static int begins_word(const char *bytes, size_t size, const char *text) {
  size_t i = 0;
  while (i < size && text[i] != '\0' &&
         (bytes[i] == text[i] || (text[i] >= 'a' && (bytes[i] | 0x20) == text[i])))
    i++;
  return text[i] == '\0';
}

static size_t blanks(const char *bytes, size_t size) {
  size_t i = 0;
  while (i < size && (bytes[i] == ' ' || bytes[i] == '\t' || bytes[i] == '\r' || bytes[i] == '\n'))
    i++;
  return i;
}

static int is_json(const char *bytes, size_t size) {
  if (size == 0 || (*bytes != '{' && *bytes != '['))
    return 0;
  size_t next = 1 + blanks(bytes + 1, size - 1);
  return next < size && strchr(*bytes == '{' ? "\"}" : "{[\"]", bytes[next]) != NULL;
}

/* No byte that no text has. */
static int may_be_text(const char *bytes, size_t size) {
  for (size_t i = 0; i < size && i < LOOKED_AT; i++) {
    unsigned char byte = (unsigned char)bytes[i];
    if (byte == 0x7F || (byte < 0x20 && (byte == 0 || strchr("\t\n\r\f\x1B", byte) == NULL)))
      return 0;
  }
  return 1;
}

static int is_html(const char *type, const char *bytes, size_t size) {
  static const char *const openings[] = {"<!doctype html", "<html",  "<head", "<body",
                                         "<script",        "<title", "<meta", NULL};
  if (begins_word(type, strlen(type), "text/html") ||
      begins_word(type, strlen(type), "application/xhtml"))
    return 1;
  for (int i = 0; openings[i] != NULL; i++)
    if (begins_word(bytes, size, openings[i]))
      return 1;
  return 0;
}

/* What the type alone says: 1 a text, 0 no text, below 0 nothing. */
static int type_is_text(const char *type) {
  size_t length = strcspn(type, "; \t");
  if (begins_word(type, length, "text/"))
    return 1;
  if (begins_word(type, length, "video/") || begins_word(type, length, "audio/") ||
      begins_word(type, length, "image/"))
    return 0;
  for (size_t i = 0; i < length; i++)
    if (begins_word(type + i, length - i, "json") || begins_word(type + i, length - i, "xml") ||
        begins_word(type + i, length - i, "javascript") ||
        begins_word(type + i, length - i, "mpegurl"))
      return 1;
  return -1;
}

enum content sora_content_of(const char *type, const char *bytes, size_t size) {
  if (is_video(bytes, size))
    return CONTENT_VIDEO;
  size_t skipped = BEGINS(0, "\xEF\xBB\xBF") ? 3 : 0;
  skipped += blanks(bytes + skipped, size - skipped);
  const char *text = bytes + skipped;
  size_t left = size - skipped;
  if (begins_word(text, left, "#extm3u"))
    return CONTENT_PLAYLIST;
  if (is_html(type, text, left))
    return CONTENT_HTML;
  if (left > 0 && (*text == '<' || is_json(text, left)) && may_be_text(text, left))
    return CONTENT_TEXT;
  int texts = type_is_text(type);
  return texts > 0 || (texts < 0 && may_be_text(bytes, size)) ? CONTENT_TEXT : CONTENT_VIDEO;
}

/* Whether the text is among the first bytes. */
static int mentions(const char *bytes, size_t size, const char *text) {
  size_t length = strlen(text);
  for (size_t i = 0; i + length <= size && i < 64; i++)
    if (memcmp(bytes + i, text, length) == 0)
      return 1;
  return 0;
}

const char *sora_content_suffix(const char *bytes, size_t size) {
  if (BEGINS(4, "ftypqt"))
    return ".mov";
  if (BEGINS(0, "\x1A\x45\xDF\xA3"))
    return mentions(bytes, size, "webm") ? ".webm" : ".mkv";
  if (BEGINS(0, "GIF8"))
    return ".gif";
  if (BEGINS(0, "RIFF"))
    return ".avi";
  if (BEGINS(0, "OggS"))
    return ".ogv";
  return BEGINS(0, "\x00\x00\x01") ? ".mpg" : ".mp4";
}
