#include "transfer/handle.h"

#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transfer/client.h"
#include "transfer/settings.h"
#include "transfer/request.h"

#ifndef SORA_USER_AGENT
#define SORA_USER_AGENT "lua-sora/0.1.0"
#endif

enum {
  MOST_IDLE = 1024,         /* handles that a client keeps, some 6 KiB each */
  RECEIVE_BUFFER = 4 * 1024 /* of libcurl, for each transfer in flight */
};

static char ca_directory[256];
static pthread_once_t ca_once = PTHREAD_ONCE_INIT;

/* A directory made by c_rehash has names like 3513523f.0. */
static int is_hashed(const char *name) {
  return strlen(name) == 10 && strspn(name, "0123456789abcdef") == 8 && strcmp(name + 8, ".0") == 0;
}

/* Finds libcurl's default directory of CAs when it is one that OpenSSL can look certificates up in.
   From it only the CA that is needed is read; parsing a whole bundle costs some 35 ms for each new
   connection, and libcurl's cache of the parsed bundle is off as soon as a directory is set. */
static void find_ca_directory(void) {
  curl_version_info_data *version = curl_version_info(CURLVERSION_NOW);
  if (version->age < CURLVERSION_SEVENTH || version->capath == NULL ||
      strlen(version->capath) >= sizeof ca_directory || version->ssl_version == NULL ||
      strncmp(version->ssl_version, "OpenSSL", 7) != 0)
    return;
  DIR *directory = opendir(version->capath);
  if (directory == NULL)
    return;
  struct dirent *entry;
  while ((entry = readdir(directory)) != NULL && !is_hashed(entry->d_name))
    ;
  if (entry != NULL)
    strcpy(ca_directory, version->capath);
  closedir(directory);
}

static curl_socket_t on_open(void *argument, curlsocktype purpose, struct curl_sockaddr *address) {
  struct client *client = argument;
  (void)purpose;
#ifdef SOCK_CLOEXEC
  int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
#else
  int fd = socket(address->family, address->socktype, address->protocol);
#endif
  if (fd < 0)
    return CURL_SOCKET_BAD;
  if (!sora_pollset_own(&client->set, fd, 1)) {
    close(fd);
    return CURL_SOCKET_BAD;
  }
  client->counts.connections++;
  client->counts.open_connections++;
  return fd;
}

static int on_close(void *argument, curl_socket_t fd) {
  struct client *client = argument;
  sora_pollset_own(&client->set, fd, 0);
  client->counts.open_connections--;
  return close(fd);
}

int sora_http_version_supported(long version) {
  int features = curl_version_info(CURLVERSION_NOW)->features;
  if (version == CURL_HTTP_VERSION_3)
    return (features & CURL_VERSION_HTTP3) != 0;
  return version != CURL_HTTP_VERSION_2TLS || (features & CURL_VERSION_HTTP2) != 0;
}

/* Sets an option and, where that fails, `failed`: what is set here can only fail for want of
 * memory. */
#define SET(option, value) (failed |= curl_easy_setopt(easy, option, value) != CURLE_OK)

static int set_transport(CURL *easy, const struct settings *settings, int loopback) {
  int failed = 0;
  pthread_once(&ca_once, find_ca_directory);
  if (settings->ca_file != NULL) {
    SET(CURLOPT_CAINFO, settings->ca_file);
    SET(CURLOPT_CAPATH, NULL);
  } else if (ca_directory[0] != '\0') {
    SET(CURLOPT_CAINFO, NULL);
    SET(CURLOPT_CAPATH, ca_directory);
  } else {
    SET(CURLOPT_CAPATH, NULL);
  }
  SET(CURLOPT_SSL_VERIFYPEER, settings->verify ? 1L : 0L);
  SET(CURLOPT_SSL_VERIFYHOST, settings->verify ? 2L : 0L);
  if (settings->proxy != NULL)
    SET(CURLOPT_PROXY, settings->proxy);
  else if (loopback)
    SET(CURLOPT_NOPROXY,
        "*"); /* http_proxy would have the key carried off this machine in the clear */
  SET(CURLOPT_USERAGENT, settings->user_agent ? settings->user_agent : SORA_USER_AGENT);
  if (settings->http_version != CURL_HTTP_VERSION_NONE)
    SET(CURLOPT_HTTP_VERSION, settings->http_version);
  else if (sora_http_version_supported(CURL_HTTP_VERSION_2TLS))
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
  return !failed;
}

static int set_callbacks(CURL *easy, struct client *client, struct handle *handle) {
  int failed = 0;
  SET(CURLOPT_ERRORBUFFER, handle->error);
  SET(CURLOPT_WRITEFUNCTION, sora_request_on_body);
  SET(CURLOPT_HEADERFUNCTION, sora_request_on_header);
#if LIBCURL_VERSION_NUM >= 0x075000
  SET(CURLOPT_PREREQFUNCTION, sora_request_on_connection);
#endif
  SET(CURLOPT_OPENSOCKETFUNCTION, on_open);
  SET(CURLOPT_OPENSOCKETDATA, client);
  SET(CURLOPT_CLOSESOCKETFUNCTION, on_close);
  SET(CURLOPT_CLOSESOCKETDATA, client);
  SET(CURLOPT_SHARE, client->share);
  return !failed;
}

static int set_rest(CURL *easy) {
  int failed = 0;
  SET(CURLOPT_NOSIGNAL, 1L);
  SET(CURLOPT_ACCEPT_ENCODING, "");
  SET(CURLOPT_BUFFERSIZE, (long)RECEIVE_BUFFER);
  SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
#if LIBCURL_VERSION_NUM >= 0x075500
  SET(CURLOPT_PROTOCOLS_STR, "http,https");
  SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
#else
  SET(CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
  SET(CURLOPT_REDIR_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
  /* A request that is cancelled while its host is looked up leaves the thread to end by itself
     instead of waiting for it, which could take the resolver's whole timeout. */
  SET(CURLOPT_QUICK_EXIT, 1L);
#endif
  return !failed;
}

#undef SET

static void destroy(struct handle *handle) {
  if (handle->easy != NULL)
    curl_easy_cleanup(handle->easy);
  free(handle);
}

struct handle *sora_handle_take(struct client *client, const struct settings *own, int loopback) {
  struct handle *handle = client->idle;
  if (own == NULL && handle != NULL) {
    client->idle = handle->next;
    client->idle_count--;
    handle->error[0] = '\0';
    return handle;
  }
  handle = calloc(1, sizeof *handle);
  if (handle == NULL)
    return NULL;
  handle->shared = own == NULL;
  handle->easy = curl_easy_init();
  if (handle->easy == NULL || !set_callbacks(handle->easy, client, handle) ||
      !set_rest(handle->easy) ||
      !set_transport(handle->easy, own ? own : &client->settings, loopback)) {
    destroy(handle);
    return NULL;
  }
  return handle;
}

void sora_handle_release(struct client *client, struct handle *handle) {
  if (client == NULL || !handle->shared || client->closed || client->idle_count >= MOST_IDLE) {
    destroy(handle);
    return;
  }
  handle->next = client->idle;
  client->idle = handle;
  client->idle_count++;
}

void sora_handles_free(struct client *client) {
  while (client->idle != NULL) {
    struct handle *handle = client->idle;
    client->idle = handle->next;
    destroy(handle);
  }
  client->idle_count = 0;
}
