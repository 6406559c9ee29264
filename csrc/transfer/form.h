/*
 * The body of a request as a form (multipart/form-data, RFC 7578): fields, and files that are
 * streamed from disk. Lua is not known here.
 */
#ifndef SORA_FORM_H
#define SORA_FORM_H

#include <stddef.h>

struct form;

/* An empty one; NULL without memory. */
struct form *sora_form_new(void);

/* Closes its files, overwrites its fields and frees it; NULL is none. */
void sora_form_free(struct form *form);

/* Adds a field. Returns 0 without memory. */
int sora_form_add_field(struct form *form, const char *name, const char *value, size_t length);

/* Adds the file at `path`, of `most` bytes at most, which is opened now: what is sent is the file
   that was looked at. The service is told its name without the folders. Returns NULL, or what is
   wrong; then *too_large tells whether it is its size. */
const char *sora_form_add_file(struct form *form, const char *name, const char *path,
                               long long most, int *too_large);

/* Where memory is short, sora_form_add_file returns this. */
extern const char sora_form_no_memory[];

#endif
