/*
 * What no text may tell: the keys and their like among a request's headers, the password of its
 * proxy. Lua is not known here.
 *
 * Whoever makes a text of what a service, a proxy or libcurl says has it pass through sora_hide,
 * which allocates nothing, keeps nothing, and is called where something went wrong only.
 */
#ifndef SORA_SECRETS_H
#define SORA_SECRETS_H

#include <stddef.h>

struct headers;
struct settings;

/* Where the secrets of a request stand; NULL: there are none. A proxy that the environment names
   has its secrets, too. */
struct secrets {
  const struct headers *headers;
  const struct settings *settings;
};

/* Copies the text to `out`, which has room for `size` bytes, with "***" for each secret, however it
   is spelt: plain, its letters of any case, with the escapes of JSON (RFC 8259, 7), URLs (RFC
   3986, 2.1) and HTML, these escaped once more, in base64 (RFC 4648, 4 and 5) as a part of
   whatever; and for five or more of its first characters, where no letter or digit follows:
   somebody has cut it there. Ends where there is no room. Returns how many bytes were written;
   *taken (NULL: nobody asks) is how many of the text's that took. */
size_t sora_hide(char *out, size_t size, const char *text, size_t length,
                 const struct secrets *secrets, size_t *taken);

/* Whether sora_hide would find any. */
int sora_holds_secret(const char *text, size_t length, const struct secrets *secrets);

#endif
