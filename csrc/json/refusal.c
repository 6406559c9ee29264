#include <stdio.h>
#include <string.h>

#include "json/encoder.h"

struct message {
  char *out, *end; /* one byte behind `end` there is room for a zero */
};

static void say(struct message *message, const char *text) {
  size_t length = strlen(text), room = (size_t)(message->end - message->out);
  if (length > room) { /* all or nothing, and dots where something is missing */
    message->end = message->out;
    return;
  }
  memcpy(message->out, text, length);
  message->out += length;
}

static bool is_word(const char *text, size_t length) {
  for (size_t i = 0; i < length; i++) {
    unsigned char lower = (unsigned char)text[i] | 0x20;
    bool digit = text[i] >= '0' && text[i] <= '9';
    if (!(lower >= 'a' && lower <= 'z') && text[i] != '_' && !(digit && i > 0))
      return false;
  }
  return length > 0;
}

/* Says a step into a table by the name at `index`. */
static void say_name(struct message *message, lua_State *L, int index) {
  char written[5];
  size_t length;
  const char *name = lua_tolstring(L, index, &length);
  bool word = is_word(name, length);
  say(message, word ? "." : "[\"");
  for (size_t i = 0; i < length && i < 40; i++) {
    unsigned char c = (unsigned char)name[i];
    bool plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
    snprintf(written, sizeof written, plain ? "%c" : "\\x%02x", c);
    say(message, written);
  }
  if (length > 40)
    say(message, "...");
  if (!word)
    say(message, "\"]");
}

/* Says how the outermost `depth` open tables lead to what is being written. */
static void say_place(struct message *message, const struct encoder *e, size_t depth) {
  char index[32];
  say(message, "$");
  for (size_t i = 0; i < depth; i++) {
    const struct level *level = level_at(e, i);
    if (level->is_array) {
      snprintf(index, sizeof index, "[%zu]", level->written);
      say(message, index);
    } else {
      say_name(message, e->L, SLOT_OF_KEY(e, i));
    }
  }
}

bool sora_encoder_refuse_at(struct encoder *e, size_t depth, const char *what) {
  char *text = e->refusal->message;
  struct message message = {text, text + sizeof e->refusal->message - sizeof "..."};
  char *end = message.end;
  say(&message, "cannot encode ");
  say(&message, what);
  say(&message, " at ");
  say_place(&message, e, depth);
  strcpy(message.out, message.end < end ? "..." : "");
  return false;
}

/* Refuses the value that is being written. */
bool sora_encoder_refuse(struct encoder *e, const char *what) {
  return sora_encoder_refuse_at(e, e->depth, what);
}

bool sora_encoder_refuse_type(struct encoder *e, const char *before, int index) {
  char what[64];
  snprintf(what, sizeof what, "%s%s", before, luaL_typename(e->L, index));
  return sora_encoder_refuse(e, what);
}

/* The nesting is too deep: mostly because a table is within itself. The place is then where it is
   met for the second time. */
bool sora_encoder_refuse_depth(struct encoder *e, const void *table) {
  for (size_t inner = 1; inner <= e->depth; inner++) {
    const void *met = inner < e->depth ? level_at(e, inner)->table : table;
    for (size_t outer = 0; outer < inner; outer++)
      if (level_at(e, outer)->table == met)
        return sora_encoder_refuse_at(e, inner, "a table within itself");
  }
  return sora_encoder_refuse(e, "deeper nesting (max_depth is reached)");
}
