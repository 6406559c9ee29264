/*
 * What the libcurl that was loaded is and can do, for those who do not see it.
 */
#ifndef SORA_FEATURES_H
#define SORA_FEATURES_H

struct features {
  const char *built, *loaded; /* versions: of the headers, of the library */
  const char *tls;            /* its TLS library and that one's version, "none" */
  int http2;
  const char
      *encodings; /* that it can undo, for Accept-Encoding as it would write it itself, or "" */
};

void sora_features(struct features *features);

/* Whether it can do that version of HTTP (an enum http_version). */
int sora_can_speak(long version);

#endif
