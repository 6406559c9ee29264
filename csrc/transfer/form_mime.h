/*
 * A form for libcurl.
 */
#ifndef SORA_FORM_MIME_H
#define SORA_FORM_MIME_H

#include <curl/curl.h>

struct form;

/* The form as a transfer of `easy` sends it, from its beginning: to be freed with curl_mime_free
   when that has ended, and before the form. NULL without memory. */
curl_mime *sora_form_mime(const struct form *form, CURL *easy);

#endif
