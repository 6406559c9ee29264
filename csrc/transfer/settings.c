#include "transfer/settings.h"

#include "transfer/text.h"

#include <stddef.h>

int sora_settings_copy(struct settings *copy, const struct settings *from) {
  int complete = 1;
  *copy = *from;
#define X(name)                                                                                    \
  copy->name = sora_copy_text(from->name);                                                         \
  complete &= copy->name != NULL || from->name == NULL;
  SETTINGS_STRINGS(X)
#undef X
  return complete;
}

static void wipe(const char **field) {
  char *text = (char *)(size_t)*field;
  sora_wipe_text(&text);
  *field = NULL;
}

void sora_settings_free(struct settings *copy) {
#define X(name) wipe(&copy->name);
  SETTINGS_STRINGS(X)
#undef X
}
