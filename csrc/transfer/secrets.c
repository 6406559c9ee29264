#include "transfer/secrets.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "transfer/headers.h"
#include "transfer/settings.h"
#include "transfer/spelling.h"
#include "transfer/text.h"

enum {
  MOST_SECRETS = 64,
  MOST_DECODED = 2048, /* bytes of all users and passwords */
  SHORTEST = 4,        /* bytes: a shorter "secret" would only tear holes into every text */
  SHORTEST_VALUE = 8,  /* bytes, where the name of its header does not say that it is one */
  SHORTEST_BASE64 = 6, /* bytes that are looked for in base64 */
  SHORTEST_START = 5,  /* characters of one that was cut … */
  LONGEST_COMMON = 12, /* … of a URL, whose first ones are those of every other URL */
  FORMS = 4 /* plain, and base64 after a number of bytes that 3 divides with rest 0, 1, 2 */
};

struct secret {
  const char *text;
  size_t length;
  size_t start; /* characters that give it away where it was cut */
};

/* All that are looked for in one text. */
struct search {
  size_t count;
  struct secret list[MOST_SECRETS];
  int too_many;              /* secrets for the list: then the whole text is hidden */
  unsigned char starts[256]; /* bytes that one can begin with, in whatever spelling */
  size_t used;
  char decoded[MOST_DECODED];
};

/* ---- base64 ---- */

static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Characters at the start that depend on the bytes before, too. */
static const size_t FOREIGN[] = {0, 2, 3};

/* Those that depend on the secret alone, where `before` bytes come before it. */
static size_t base64_length(const struct secret *secret, size_t before) {
  return (before + secret->length) * 8 / 6 - FOREIGN[before];
}

static char base64_at(const struct secret *secret, size_t before, size_t index) {
  size_t bit = (index + FOREIGN[before]) * 6, first = bit / 8 - before;
  unsigned bits = (unsigned)(unsigned char)secret->text[first] << 8;
  if (first + 1 < secret->length)
    bits |= (unsigned char)secret->text[first + 1];
  return DIGITS[bits >> (10 - bit % 8) & 63];
}

static int is_base64(char byte) {
  return sora_is_alnum((unsigned char)byte) || (byte != '\0' && strchr("+/-_=", byte) != NULL);
}

static int base64_digit(char byte) {
  const char *found = byte == '\0' ? NULL : strchr(DIGITS, byte);
  return found != NULL ? (int)(found - DIGITS) : -1;
}

/* ---- collecting ---- */

static void note_starts(struct search *search, const struct secret *secret) {
  search->starts[sora_lower(secret->text[0])] = 1;
  if (secret->length < SHORTEST_BASE64)
    return;
  for (size_t before = 0; before + 1 < FORMS; before++) {
    char first = base64_at(secret, before, 0);
    search->starts[(unsigned char)first] = 1;
    if (first == '+' || first == '/')
      search->starts[first == '+' ? '-' : '_'] = 1;
  }
}

static int is_known(const struct search *search, const char *text, size_t length) {
  for (size_t i = 0; i < search->count; i++)
    if (search->list[i].length == length && memcmp(search->list[i].text, text, length) == 0)
      return 1;
  return 0;
}

static void add(struct search *search, const char *text, size_t length, size_t shortest) {
  while (length > 0 && (*text == ' ' || *text == '\t'))
    text++, length--;
  while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
    length--;
  if (length < shortest || is_known(search, text, length))
    return;
  if (search->count == MOST_SECRETS) {
    search->too_many = 1;
    return;
  }
  size_t start = sora_starts_with(text, "http") ? LONGEST_COMMON : SHORTEST_START;
  search->list[search->count] = (struct secret){text, length, start};
  note_starts(search, &search->list[search->count++]);
}

static int holds_word(const char *name, size_t length, const char *word) {
  size_t size = strlen(word);
  for (size_t i = 0; i + size <= length; i++)
    if (sora_same_letters(name + i, word, size))
      return 1;
  return 0;
}

static int is_named_secret(const char *name, size_t length) {
  static const char *const words[] = {"key",  "token", "secret",     "auth",    "cookie",
                                      "pass", "pwd",   "credential", "session", "sign"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (holds_word(name, length, words[i]))
      return 1;
  return 0;
}

/* Headers whose values are no secrets: they are words that a text may well hold. */
static int is_harmless(const char *line, size_t length) {
  static const char *const names[] = {"Accept",          "Accept-Encoding", "Accept-Language",
                                      "Cache-Control",   "Content-Type",    "Host",
                                      "Idempotency-Key", "User-Agent",      "X-Forwarded-Host"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (length == strlen(names[i]) && sora_same_letters(line, names[i], length))
      return 1;
  return 0;
}

static void add_cookies(struct search *search, const char *value) {
  while (*value != '\0') {
    size_t length = strcspn(value, ";");
    const char *equals = memchr(value, '=', length);
    if (equals != NULL)
      add(search, equals + 1, (size_t)(value + length - equals) - 1, SHORTEST_VALUE);
    value += length + (value[length] == ';');
  }
}

/* Adds a user or a password twice: as it is written in a URL, and without its escapes. */
static void add_user_part(struct search *search, const char *text, size_t length) {
  char *copy = search->decoded + search->used;
  size_t size = 0;
  if (is_known(search, text, length))
    return;
  if (search->used + 2 * length > MOST_DECODED) {
    search->too_many = 1;
    return;
  }
  memcpy(copy, text, length); /* the environment may change */
  add(search, copy, length, SHORTEST);
  for (size_t i = 0; i < length; size++) {
    long byte = text[i] == '%' ? sora_hex_number(text + i + 1, length - i - 1, 2) : -1;
    copy[length + size] = byte > 0 ? (char)byte : text[i];
    i += byte > 0 ? 3 : 1;
  }
  search->used += length + size;
  if (size < length)
    add(search, copy + length, size, SHORTEST);
}

/* "user:password". A user without a password is a key, and so is a long one. */
static void add_user_and_password(struct search *search, const char *user, size_t length) {
  const char *colon = memchr(user, ':', length);
  size_t own = colon != NULL ? (size_t)(colon - user) : length;
  if (own + 1 < length)
    add_user_part(search, colon + 1, length - own - 1);
  if (own + 1 >= length || own >= SHORTEST_VALUE)
    add_user_part(search, user, own);
}

/* What "Basic" has in base64 (RFC 7617). */
static void add_basic(struct search *search, const char *value) {
  char pair[MOST_DECODED / 4] = "";
  size_t size = 0;
  unsigned bits = 0, count = 0;
  for (int digit; (digit = base64_digit(*value)) >= 0 && size < sizeof pair; value++) {
    bits = (bits << 6 | (unsigned)digit) & 0xFFFF;
    count += 6;
    if (count >= 8)
      pair[size++] = (char)(bits >> (count -= 8));
  }
  add_user_and_password(search, pair, size);
  explicit_bzero(pair, sizeof pair);
}

/* "Name: value", or "Name: Scheme value" */
static void add_header(struct search *search, const char *line) {
  size_t name = strcspn(line, ":;"), word = 0;
  int named = is_named_secret(line, name);
  if (line[name] != ':' || is_harmless(line, name))
    return;
  const char *value = line + name + 1 + strspn(line + name + 1, " ");
  while (sora_is_alnum((unsigned char)value[word]))
    word++;
  if (holds_word(line, name, "cookie"))
    add_cookies(search, value);
  if (named && value[word] == ' ') { /* Bearer, Basic */
    if (word == 5 && sora_same_letters(value, "Basic", word))
      add_basic(search, value + word + strspn(value + word, " "));
    value += word;
  }
  add(search, value, strlen(value), named ? SHORTEST : SHORTEST_VALUE);
}

/* Whatever comes before the last @ is user and password, even where the text is no URL. */
static void add_proxy(struct search *search, const char *url) {
  const char *scheme = url == NULL ? NULL : strstr(url, "://");
  const char *user = scheme != NULL ? scheme + 3 : url;
  const char *at = user == NULL ? NULL : strrchr(user, '@');
  if (at != NULL)
    add_user_and_password(search, user, (size_t)(at - user));
}

static void collect(struct search *search, const struct secrets *secrets) {
  static const char *const variables[] = {"https_proxy", "HTTPS_PROXY", "http_proxy",
                                          "HTTP_PROXY",  "all_proxy",   "ALL_PROXY"};
  search->count = search->used = 0;
  search->too_many = 0;
  memset(search->starts, 0, sizeof search->starts);
  const struct curl_slist *node =
      secrets->headers == NULL ? NULL : sora_headers_list(secrets->headers);
  for (; node != NULL; node = node->next)
    add_header(search, node->data);
  if (secrets->settings != NULL)
    add_proxy(search, secrets->settings->proxy);
  for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
    add_proxy(search, getenv(variables[i]));
}

/* ---- finding ---- */

static int is_at(const struct secret *secret, size_t form, size_t index, char byte) {
  if (form == 0) /* a status is told in small letters */
    return sora_lower(byte) == sora_lower(secret->text[index]);
  if (byte == '-')
    byte = '+';
  else if (byte == '_')
    byte = '/';
  return byte == base64_at(secret, form - 1, index);
}

/* How the bytes of a secret from `index` on, of `length`, are spelt at `text`. */
static struct spelling spelling_of(const struct secret *secret, size_t form, size_t index,
                                   size_t length, const char *text, size_t left) {
  struct spelling spelling = sora_escape(text, left);
  size_t same = 0;
  while (same < spelling.count && index + same < length &&
         is_at(secret, form, index + same, spelling.bytes[same]))
    same++;
  if (spelling.length > 0 && same == spelling.count)
    return spelling;
  return is_at(secret, form, index, *text) ? (struct spelling){1, 1, {*text}}
                                           : (struct spelling){0};
}

/* Whether a letter or digit is next, so that nobody has cut what comes before. */
static int goes_on(const char *text, size_t left, size_t form) {
  return left > 0 && (form == 0 ? sora_is_alnum((unsigned char)*text) : is_base64(*text));
}

/* How many bytes from `text` on spell the secret in that form, or enough of its start; 0: none. */
static size_t spelt(const char *text, size_t left, const struct secret *secret, size_t form) {
  size_t length = form == 0 ? secret->length : base64_length(secret, form - 1);
  size_t i = 0, matched = 0;
  struct spelling spelling;
  if (form == 0 && left >= length && memcmp(text, secret->text, length) == 0)
    return length;
  while (matched < length && i < left &&
         (spelling = spelling_of(secret, form, matched, length, text + i, left - i)).length > 0) {
    i += spelling.length;
    matched += spelling.count;
  }
  if (matched < length)
    return matched < secret->start + (form != 0) || goes_on(text + i, left - i, form) ? 0 : i;
  while (form != 0 && i < left && is_base64(text[i]))
    i++;
  return i;
}

/* How many bytes from `text` on are a secret, or 0. */
static size_t secret_length(const struct search *search, const char *text, size_t left) {
  size_t longest = 0;
  if (!search->starts[(unsigned char)*text] && !search->starts[sora_lower(*text)] &&
      strchr("\\%&+", *text) == NULL)
    return 0;
  for (size_t i = 0; i < search->count; i++) {
    const struct secret *secret = &search->list[i];
    for (size_t form = 0; form < (secret->length < SHORTEST_BASE64 ? 1 : FORMS); form++) {
      size_t length = spelt(text, left, secret, form);
      longest = length > longest ? length : longest;
    }
  }
  return longest;
}

static void forget(struct search *search) {
  explicit_bzero(search->decoded, search->used);
}

int sora_holds_secret(const char *text, size_t length, const struct secrets *secrets) {
  struct search search;
  collect(&search, secrets);
  int found = search.too_many;
  for (size_t i = 0; i < length && !found; i++)
    found = secret_length(&search, text + i, length - i) > 0;
  forget(&search);
  return found;
}

size_t sora_hide(char *out, size_t size, const char *text, size_t length,
                 const struct secrets *secrets, size_t *taken) {
  static const char instead[] = "***";
  struct search search;
  size_t i = 0, written = 0;
  collect(&search, secrets);
  while (i < length) {
    size_t skip = search.too_many ? length : secret_length(&search, text + i, length - i);
    size_t room = skip > 0 ? sizeof instead - 1 : 1;
    if (written + room > size)
      break;
    memcpy(out + written, skip > 0 ? instead : text + i, room);
    written += room;
    i += skip > 0 ? skip : 1;
  }
  forget(&search);
  if (taken != NULL)
    *taken = i;
  return written;
}
