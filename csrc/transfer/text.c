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

int sora_starts_with(const char *text, const char *start) {
  for (; *start != '\0'; text++, start++)
    if (sora_lower(*text) != sora_lower(*start))
      return 0;
  return 1;
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
