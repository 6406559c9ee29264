/*
 * How texts spell a character otherwise than by itself: with the escapes of JSON (RFC 8259, 7), of
 * URLs (RFC 3986, 2.1) and of HTML, and these escaped once more. Must not know what is looked for.
 */
#ifndef SORA_SPELLING_H
#define SORA_SPELLING_H

#include <stddef.h>

/* Bytes that a text spells in its own way. */
struct spelling {
  size_t length; /* of the text, 0: it spells none */
  size_t count;
  char bytes[3]; /* of UTF-8 */
};

/* What the escape at the beginning of the text stands for, of which `left` bytes are left; of
   length 0 where none begins there. */
struct spelling sora_escape(const char *text, size_t left);

/* How many bytes from `text` on spell that byte, plain or escaped in one of these ways; 0: none
   do. */
size_t sora_spells(const char *text, size_t left, char byte);

/* The number that the first `count` bytes of a text are in hexadecimal digits, or -1. */
long sora_hex_number(const char *text, size_t left, size_t count);

#endif
