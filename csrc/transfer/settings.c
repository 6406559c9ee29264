#include "transfer/settings.h"

#include <stdlib.h>

#include "transfer/text.h"

static void drop_passing(struct settings *settings) {
#define X(name) settings->name = NULL;
  PASSING_STRINGS(X)
#undef X
}

void sora_settings_drop_strings(struct settings *settings) {
  drop_passing(settings);
#define X(name) settings->name = NULL;
  KEPT_STRINGS(X)
#undef X
}

void sora_settings_inherit(struct settings *settings, const struct settings *from) {
#define X(name)                                                                                    \
  if (settings->name == NULL)                                                                      \
    settings->name = from->name;
  KEPT_STRINGS(X)
#undef X
}

struct settings *sora_settings_new(const struct settings *from) {
  struct settings *copy = malloc(sizeof *copy);
  if (copy == NULL)
    return NULL;
  int complete = 1;
  *copy = *from;
  copy->references = 1;
  drop_passing(copy);
#define X(name)                                                                                    \
  copy->name = sora_copy_text(from->name);                                                         \
  complete &= copy->name != NULL || from->name == NULL;
  KEPT_STRINGS(X)
#undef X
  if (!complete)
    sora_settings_release(&copy);
  return copy;
}

struct settings *sora_settings_share(struct settings *copy) {
  if (copy != NULL)
    copy->references++;
  return copy;
}

static void wipe(const char *field) {
  char *text = (char *)(size_t)field;
  sora_wipe_text(&text);
}

static void wipe_strings(struct settings *copy) {
#define X(name) wipe(copy->name);
  KEPT_STRINGS(X)
#undef X
}

void sora_settings_release(struct settings **reference) {
  struct settings *copy = *reference;
  *reference = NULL;
  if (copy == NULL || --copy->references > 0)
    return;
  wipe_strings(copy);
  free(copy);
}
