/*
 * Faults of libcurl and OpenSSL that refused memory shows, told from the stack of calls: they end
 * the process, and none of them is ours. For torture.c.
 */
#ifndef KNOWN_FAULTS_H
#define KNOWN_FAULTS_H

#include <dlfcn.h>
#include <string.h>

/* Whether libcurl asks, in OpenSSL's callback, for what it remembers of a TLS session. Without that
   memory libcurl 7.88 frees the name in its cache and keeps the pointer (Curl_ssl_addsessionid): it
   is freed again with the next session, or when the cache is cleaned up. A program of a share and
   two curl_easy_perform alone crashes at two of its 4,616 requests. Later versions are mended. */
static int is_session_of_libcurl(void *const *frames, int count) {
  Dl_info info;
  int in_libcurl = 0;
  for (int i = 0; i < count; i++) {
    if (dladdr(frames[i], &info) == 0 || info.dli_fname == NULL)
      return 0;
    if (strstr(info.dli_fname, "libcurl") != NULL)
      in_libcurl = 1;
    else if (in_libcurl)
      return strstr(info.dli_fname, "libssl") != NULL;
    else if (strstr(info.dli_fname, "libc.so") == NULL && strstr(info.dli_fname, "torture") == NULL)
      return 0;
  }
  return 0;
}

/* Whether OpenSSL asks within SSL_set_connect_state. That returns nothing, from OpenSSL 3.2 on it
   may leave the connection without a record layer, and the next call crashes. A program of SSL_new,
   that and SSL_set0_rbio alone does, at five of its six requests (3.5.9, 3.6.5). Its last act is a
   call of a function that is not exported, so that no frame bears its name: libcurl seems to have
   called what has none. */
static int is_connect_state_of_openssl(void *const *frames, int count) {
  const char *callee = "";
  Dl_info info;
  for (int i = 0; i < count && dladdr(frames[i], &info) != 0 && info.dli_fname != NULL; i++) {
    if (strstr(info.dli_fname, "libcurl") != NULL)
      return callee == NULL;
    callee = strstr(info.dli_fname, "libssl") != NULL ? info.dli_sname : "";
  }
  return 0;
}

/* Where a request for memory of OpenSSL 3.0's set-up was refused, RAND_status, which libcurl calls
   before its first connection, takes a lock that is NULL. A program of OPENSSL_init_ssl and
   RAND_status alone crashes so at 49 of its 6,845 requests (3.0.19). */
static int in_rand_status(void *const *frames, int count) {
  Dl_info info;
  for (int i = 0; i < count; i++)
    if (dladdr(frames[i], &info) != 0 && info.dli_sname != NULL &&
        strcmp(info.dli_sname, "RAND_status") == 0)
      return 1;
  return 0;
}

#endif
