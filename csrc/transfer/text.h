/*
 * Texts of protocols: ASCII, whatever the locale. Neither Lua nor curl is known here.
 */
#ifndef SORA_TEXT_H
#define SORA_TEXT_H

#include <stddef.h>

/* Beyond this no server takes a text, and libcurl would take it for want of memory. */
enum { LONGEST_TEXT = 65536 };

/* Whether the bytes hold a control character (C0 or DEL). */
int sora_has_control(const char *bytes, size_t length);

/* What is wrong with a text that is to be sent or handed to libcurl, or NULL. */
const char *sora_text_fault(const char *bytes, size_t length);

/* What is wrong with a task's id, or NULL: the one rule for ids. */
const char *sora_id_fault(const char *bytes, size_t length);

static inline unsigned char sora_lower(char byte) {
  return (unsigned char)(byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte);
}

/* Whether `length` bytes are the same but for the case of ASCII's letters. */
static inline int sora_same_letters(const char *a, const char *b, size_t length) {
  for (size_t i = 0; i < length; i++)
    if (sora_lower(a[i]) != sora_lower(b[i]))
      return 0;
  return 1;
}

/* Whether `text` begins with `start`, but for the case of ASCII's letters. */
int sora_starts_with(const char *text, const char *start);

static inline int sora_is_alnum(unsigned char byte) {
  return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
         (byte >= 'A' && byte <= 'Z');
}

/* strdup, and free that overwrites the text first, since it may be a secret. NULL is none. */
char *sora_copy_text(const char *text);
void sora_wipe_text(char **text);

#endif
