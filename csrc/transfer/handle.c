#include "transfer/handle.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transfer/features.h"
#include "transfer/libcurl.h"
#include "transfer/queue.h"
#include "transfer/settings.h"

enum {
  MOST_IDLE = 1024, /* handles that a client keeps, some 6 KiB each */
  LONGEST_LIFE = 60 /* seconds of a connection: as long as libcurl keeps an address */
};

/* ---- whom to trust ---- */

static const char NO_DIRECTORY[] = "/dev/null";
static char ca_directory[256];  /* hashed, "": none is used */
static char one_authority[280]; /* the path of one that is in it */
static const char *ca_file;     /* NULL: libcurl's default */
static int ca_asked_for;        /* the environment names them */
static atomic_int bundle_too;   /* the directory did not know an issuer */
static pthread_once_t ca_once = PTHREAD_ONCE_INIT;

/* A directory made by c_rehash has names like 3513523f.0. */
static int is_hashed(const char *name) {
  return strlen(name) == 10 && strspn(name, "0123456789abcdef") == 8 && strcmp(name + 8, ".0") == 0;
}

/* Whether it is one; keeps the path of one of its files. */
static int has_hashed(const char *path) {
  DIR *directory = opendir(path);
  if (directory == NULL)
    return 0;
  struct dirent *entry;
  while ((entry = readdir(directory)) != NULL && !is_hashed(entry->d_name))
    ;
  int found = entry != NULL;
  if (found)
    snprintf(one_authority, sizeof one_authority, "%s/%.10s", path, entry->d_name);
  closedir(directory);
  return found;
}

static const char *filled(const char *name) {
  const char *value = getenv(name);
  return value != NULL && *value != '\0' ? value : NULL;
}

/* What the variable names, NULL where that is what libcurl takes by itself: many a machine sets it
   to just that. */
static const char *named(const char *variable, const char *usual) {
  const char *value = filled(variable);
  return value != NULL && (usual == NULL || strcmp(value, usual) != 0) ? value : NULL;
}

/* The variables that the curl program obeys, in its order (curl(1), "ENVIRONMENT"). */
static int obey_environment(const curl_version_info_data *version) {
  int knows = version->age >= CURLVERSION_SEVENTH;
  const char *usual_file = knows ? version->cainfo : NULL;
  const char *usual_directory = knows ? version->capath : NULL;
  const char *bundle = named("CURL_CA_BUNDLE", usual_file);
  const char *file = bundle != NULL ? bundle : named("SSL_CERT_FILE", usual_file);
  const char *directory = bundle == NULL ? named("SSL_CERT_DIR", usual_directory) : NULL;
  if (file != NULL)
    ca_file = strdup(file); /* for the life of the process */
  if (directory != NULL && has_hashed(directory))
    snprintf(ca_directory, sizeof ca_directory, "%s", directory);
  return file != NULL || directory != NULL;
}

/* Finds libcurl's default directory of CAs when it is one that OpenSSL can look certificates up in.
   From it only the CA that is needed is read; parsing a whole bundle costs some 15 ms for each new
   connection, and libcurl's cache of the parsed bundle is off as soon as a directory is set. */
static void find_authorities(void) {
  const curl_version_info_data *version = curl_version_info(CURLVERSION_NOW);
  ca_asked_for = obey_environment(version);
  if (!ca_asked_for && version->age >= CURLVERSION_SEVENTH && version->capath != NULL &&
      strlen(version->capath) < sizeof ca_directory && version->ssl_version != NULL &&
      strncmp(version->ssl_version, "OpenSSL", 7) == 0 && has_hashed(version->capath))
    strcpy(ca_directory, version->capath);
}

int sora_handle_trust_bundle(const struct handle *handle) {
  if (handle->narrow)
    bundle_too = 1;
  return handle->narrow;
}

/* ---- settings ---- */

/* Sets an option. Only want of memory is a failure: a libcurl that is older than the headers, or
   has another TLS library, may not know one. */
#define SET(option, value) (failed |= curl_easy_setopt(easy, option, value) == CURLE_OUT_OF_MEMORY)

int sora_handle_uses_proxy(const struct settings *settings) {
  return settings->proxy == NULL || *settings->proxy != '\0';
}

/* Sets both, a file and a directory, since libcurl puts its own bundle in the place of what is not
   set (from 8.17 on also when the other is). So a file that nobody has named is one that lies in
   the directory anyway, and a directory that nobody has named is none. To verify is what libcurl
   does where nothing is said. */
static int set_trust(struct handle *handle, const struct settings *settings) {
  CURL *easy = handle->easy;
  int failed = 0, proxied = sora_handle_uses_proxy(settings);
  pthread_once(&ca_once, find_authorities);
  const char *file = settings->ca_file != NULL ? settings->ca_file : ca_file;
  const char *directory =
      settings->ca_file == NULL && ca_directory[0] != '\0' ? ca_directory : NO_DIRECTORY;
  if (file == NULL && directory != NO_DIRECTORY && !bundle_too) {
    file = one_authority;
    handle->narrow = !ca_asked_for;
  }
  if (file != NULL || directory != NO_DIRECTORY) {
    SET(CURLOPT_CAPATH, directory);
    if (proxied)
      SET(CURLOPT_PROXY_CAPATH, directory);
  }
  if (file != NULL) {
    SET(CURLOPT_CAINFO, file);
    if (proxied)
      SET(CURLOPT_PROXY_CAINFO, file);
  }
  if (!settings->verify) {
    SET(CURLOPT_SSL_VERIFYPEER, 0L);
    SET(CURLOPT_SSL_VERIFYHOST, 0L);
    SET(CURLOPT_PROXY_SSL_VERIFYPEER, 0L);
    SET(CURLOPT_PROXY_SSL_VERIFYHOST, 0L);
  }
  return !failed;
}

/* $no_proxy stays in force, and this machine is added to it: the environment's proxy, which nobody
   has given as an option, would otherwise get what is sent to this machine in the clear, the key
   included. */
int sora_handle_obey_environment(struct settings *settings) {
  static const char *const variables[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                          "ALL_PROXY"};
  const char *proxy = NULL;
  for (size_t i = 0; i < sizeof variables / sizeof *variables && proxy == NULL; i++)
    proxy = filled(variables[i]);
  if (settings->proxy != NULL)
    return 1;
  if (proxy == NULL) {
    settings->proxy = strdup(""); /* none, and libcurl need not look */
    return settings->proxy != NULL;
  }
  const char *others = filled("no_proxy") ? filled("no_proxy") : filled("NO_PROXY");
  const char *own =
      sora_libcurl_version() >= 0x075600 ? "localhost,127.0.0.0/8,::1" : "localhost,127.0.0.1,::1";
  size_t size = strlen(own) + (others != NULL ? strlen(others) : 0) + 2;
  char *all = malloc(size);
  if (all != NULL && others != NULL && strcmp(others, "*") != 0)
    snprintf(all, size, "%s,%s", own, others);
  else if (all != NULL)
    snprintf(all, size, "%s", others != NULL ? "*" : own);
  settings->no_proxy = all;
  return all != NULL;
}

static int set_proxy(CURL *easy, const struct settings *settings) {
  int failed = 0;
  if (settings->proxy != NULL)
    SET(CURLOPT_PROXY, settings->proxy);
  else
    SET(CURLOPT_NOPROXY, settings->no_proxy);
  if (!sora_handle_uses_proxy(settings)) /* libcurl would ask the environment for each request */
    SET(CURLOPT_NOPROXY, "");
  return !failed;
}

const char *sora_handle_proxy(const struct settings *settings, int plain) {
  static const char *const names[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};
  if (settings->proxy != NULL)
    return settings->proxy;
  if (plain && filled("http_proxy")) /* in small letters alone: "HTTP_PROXY" may be a header's */
    return filled("http_proxy");
  for (size_t i = plain ? 2 : 0; i < sizeof names / sizeof *names; i++)
    if (filled(names[i]))
      return filled(names[i]);
  return "";
}

static int set_version(CURL *easy, const struct settings *settings) {
  long version = sora_libcurl_http(settings->http_version);
  int failed = 0;
  if (version != CURL_HTTP_VERSION_NONE)
    SET(CURLOPT_HTTP_VERSION, version);
  return !failed;
}

static int set_rest(CURL *easy, const struct settings *settings, int shared) {
  struct features features;
  int failed = 0, proxied = sora_handle_uses_proxy(settings);
  if (!shared || proxied) /* else it is among the headers */
    SET(CURLOPT_USERAGENT, settings->user_agent);
  if (proxied)
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L); /* a proxy's answer is not the service's */
  sora_features(&features);
  SET(CURLOPT_NOSIGNAL, 1L);
  SET(CURLOPT_ACCEPT_ENCODING, features.encodings);
  SET(CURLOPT_BUFFERSIZE, sora_libcurl_buffer());
#if LIBCURL_VERSION_NUM >= 0x075000
  SET(CURLOPT_MAXLIFETIME_CONN, (long)LONGEST_LIFE);
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
  /* A request that is cancelled while its host is looked up leaves the thread to end by itself
     instead of waiting for it, which could take the resolver's whole timeout. */
  SET(CURLOPT_QUICK_EXIT, 1L);
#endif
  return !failed;
}

#undef SET

/* At the host's site, which it stays aimed at; NULL: at none. */
static int set_site(struct handle *handle, const struct host *host) {
  CURL *easy = handle->easy;
  if (handle->aimed == host)
    return 1;
  handle->aimed = host;
  /* the URL comes last: from 8.12 on the site takes it away */
  return curl_easy_setopt(easy, CURLOPT_CURLU, host != NULL ? host->site : NULL) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_REQUEST_TARGET, NULL) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_URL, host != NULL ? host->origin : NULL) == CURLE_OK;
}

int sora_handle_aim(struct handle *handle, const struct settings *settings, const struct host *host,
                    const char *url, size_t path) {
  int apart = path > 0 && host->site != NULL && !sora_handle_uses_proxy(settings);
  if (!set_site(handle, apart ? host : NULL))
    return 0;
  return apart ? curl_easy_setopt(handle->easy, CURLOPT_REQUEST_TARGET, url + path) == CURLE_OK
               : curl_easy_setopt(handle->easy, CURLOPT_URL, url) == CURLE_OK;
}

/* ---- the headers of the last answer, which libcurl keeps ---- */

static int is_worn_by_answers(void) {
  return sora_libcurl_version() >= 0x075400 && sora_libcurl_version() < 0x080100;
}

/* What is paused libcurl puts aside unread; then it asks whether to go on, and is told not to. */
static int on_line(CURL *easy, curl_infotype type, char *line, size_t size, void *argument) {
  struct handle *handle = argument;
  if (type != CURLINFO_HEADER_IN)
    return 0;
  curl_easy_setopt(easy, CURLOPT_VERBOSE, 0L);
  if (size == 0 || (*line != ' ' && *line != '\t'))
    return 0;
  curl_easy_pause(easy, CURLPAUSE_RECV);
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
  snprintf(handle->error, sizeof handle->error, "the answer's headers go on with no line before");
  handle->shared = 0; /* it is not kept */
  return 0;
}

static int end_it(void *unused, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d) {
  (void)unused, (void)a, (void)b, (void)c, (void)d;
  return 1;
}

static int set_watch(struct handle *handle) {
  CURL *easy = handle->easy;
  return !is_worn_by_answers() ||
         (curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, on_line) == CURLE_OK &&
          curl_easy_setopt(easy, CURLOPT_DEBUGDATA, handle) == CURLE_OK &&
          curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, end_it) == CURLE_OK);
}

void sora_handle_watch(struct handle *handle) {
  if (handle->worn)
    curl_easy_setopt(handle->easy, CURLOPT_VERBOSE, 1L);
}

/* ---- life ---- */

static void destroy(struct handle *handle) {
  if (handle->easy != NULL)
    curl_easy_cleanup(handle->easy);
  free(handle);
}

static struct handle *make(const struct settings *settings, int shared, CURLSH *share) {
  struct handle *handle = calloc(1, sizeof *handle);
  if (handle == NULL)
    return NULL;
  handle->shared = shared;
  handle->easy = curl_easy_init();
  if (handle->easy != NULL && set_trust(handle, settings) && set_proxy(handle->easy, settings) &&
      set_version(handle->easy, settings) && set_rest(handle->easy, settings, shared) &&
      set_watch(handle) &&
      curl_easy_setopt(handle->easy, CURLOPT_ERRORBUFFER, handle->error) == CURLE_OK &&
      curl_easy_setopt(handle->easy, CURLOPT_SHARE, share) == CURLE_OK)
    return handle;
  destroy(handle);
  return NULL;
}

struct handle *sora_handle_take(struct handles *handles, const struct settings *settings,
                                int shared, CURLSH *share) {
  struct handle *handle = handles->idle;
  if (handle != NULL && handle->narrow && bundle_too) {
    sora_handles_free(handles);
    handle = NULL;
  }
  if (!shared || handle == NULL)
    return make(settings, shared, share);
  handles->idle = handle->next;
  handles->count--;
  return handle;
}

/* See sora_handle_give_back. Before 7.80 nobody knows how often a request was sent. */
static int counts_no_retry(int sent) {
  return sora_libcurl_version() >= 0x081100 || (LIBCURL_VERSION_NUM >= 0x075000 && sent <= 1);
}

void sora_handle_give_back(struct handles *handles, struct handle *handle, int sent) {
  handle->request = NULL;
  if (!handle->shared || !counts_no_retry(sent) || handles->count >= MOST_IDLE) {
    destroy(handle);
    return;
  }
  handle->worn = is_worn_by_answers();
  if (handle->worn) /* the answer may have ended with its first line */
    curl_easy_setopt(handle->easy, CURLOPT_VERBOSE, 0L);
  handle->next = handles->idle;
  handles->idle = handle;
  handles->count++;
}

void sora_handles_free(struct handles *handles) {
  while (handles->idle != NULL) {
    struct handle *handle = handles->idle;
    handles->idle = handle->next;
    destroy(handle);
  }
  handles->count = 0;
}
