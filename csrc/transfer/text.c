#include "transfer/text.h"

#include <stdlib.h>
#include <string.h>

int sora_has_control(const char *bytes, size_t length) {
  for (size_t i = 0; i < length; i++)
    if ((unsigned char)bytes[i] < 0x20 || bytes[i] == 0x7F)
      return 1;
  return 0;
}

const char *sora_text_fault(const char *bytes, size_t length) {
  if (length > LONGEST_TEXT)
    return "is longer than 65536 bytes";
  return sora_has_control(bytes, length) ? "contains a control character" : NULL;
}

const char *sora_id_fault(const char *bytes, size_t length) {
  return length == 0 ? "is empty" : sora_text_fault(bytes, length);
}

static unsigned char lower(char byte) {
  return (unsigned char)(byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte);
}

int sora_same_letters(const char *a, const char *b, size_t length) {
  for (size_t i = 0; i < length; i++)
    if (lower(a[i]) != lower(b[i]))
      return 0;
  return 1;
}

int sora_starts_with(const char *text, const char *start) {
  for (; *start != '\0'; text++, start++)
    if (lower(*text) != lower(*start))
      return 0;
  return 1;
}

int sora_is_alnum(unsigned char byte) {
  return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
         (byte >= 'A' && byte <= 'Z');
}

char *sora_copy_text(const char *text) {
  return text == NULL ? NULL : strdup(text);
}

void sora_wipe_text(char **text) {
  if (*text != NULL)
    explicit_bzero(*text, strlen(*text));
  free(*text);
  *text = NULL;
}
