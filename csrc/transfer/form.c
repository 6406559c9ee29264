#include "transfer/form.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "transfer/form_mime.h"
#include "transfer/upload.h"

const char sora_form_no_memory[] = "not enough memory";

struct form_part {
  struct form_part *next;
  struct upload file; /* fd -1: this is a field */
  size_t length;      /* of the field's value, or of the file's name */
  char *value;        /* or the file's name, NUL-terminated */
  char name[];
};

struct form {
  struct form_part *first, **last;
};

struct form *sora_form_new(void) {
  struct form *form = calloc(1, sizeof *form);
  if (form != NULL)
    form->last = &form->first;
  return form;
}

static void free_part(struct form_part *part) {
  sora_upload_close(&part->file);
  if (part->value != NULL)
    explicit_bzero(part->value, part->length);
  free(part->value);
  free(part);
}

void sora_form_free(struct form *form) {
  if (form == NULL)
    return;
  for (struct form_part *part = form->first, *next; part != NULL; part = next) {
    next = part->next;
    free_part(part);
  }
  free(form);
}

static struct form_part *add_part(struct form *form, const char *name, const char *value,
                                  size_t length) {
  size_t size = strlen(name) + 1;
  struct form_part *part = calloc(1, sizeof *part + size);
  if (part == NULL)
    return NULL;
  part->file.fd = -1;
  memcpy(part->name, name, size);
  part->length = length;
  part->value = malloc(length + 1);
  if (part->value == NULL) {
    free_part(part);
    return NULL;
  }
  memcpy(part->value, value, length);
  part->value[length] = '\0';
  *form->last = part;
  form->last = &part->next;
  return part;
}

int sora_form_add_field(struct form *form, const char *name, const char *value, size_t length) {
  return add_part(form, name, value, length) != NULL;
}

const char *sora_form_add_file(struct form *form, const char *name, const char *path,
                               long long most, int *too_large) {
  const char *slash = strrchr(path, '/'), *own = slash == NULL ? path : slash + 1;
  struct form_part *part = add_part(form, name, own, strlen(own));
  *too_large = 0;
  return part == NULL ? sora_form_no_memory : sora_upload_open(&part->file, path, most, too_large);
}

static size_t read_file(char *bytes, size_t size, size_t count, void *argument) {
  const struct upload *file = argument;
  long length = sora_upload_read(file, bytes, size * count);
  return length < 0 ? CURL_READFUNC_ABORT : (size_t)length;
}

/* libcurl wants to begin again when it has found a kept connection dead, or was asked to log in. */
static int seek_file(void *argument, curl_off_t offset, int origin) {
  const struct upload *file = argument;
  return offset == 0 && origin == SEEK_SET && sora_upload_rewind(file) ? CURL_SEEKFUNC_OK
                                                                       : CURL_SEEKFUNC_FAIL;
}

static int set_part(curl_mimepart *part, struct form_part *from) {
  if (part == NULL || curl_mime_name(part, from->name) != CURLE_OK)
    return 0;
  if (from->file.fd < 0)
    return curl_mime_data(part, from->value, from->length) == CURLE_OK;
  const char *type = from->file.type != NULL ? from->file.type : "application/octet-stream";
  return sora_upload_rewind(&from->file) && curl_mime_filename(part, from->value) == CURLE_OK &&
         curl_mime_type(part, type) == CURLE_OK &&
         curl_mime_data_cb(part, from->file.size, read_file, seek_file, NULL, &from->file) ==
             CURLE_OK;
}

curl_mime *sora_form_mime(const struct form *form, CURL *easy) {
  curl_mime *mime = curl_mime_init(easy);
  for (struct form_part *part = form->first; mime != NULL && part != NULL; part = part->next) {
    if (!set_part(curl_mime_addpart(mime), part)) {
      curl_mime_free(mime);
      mime = NULL;
    }
  }
  return mime;
}
