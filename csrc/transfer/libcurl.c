#include "transfer/libcurl.h"

#include <dlfcn.h>
#include <pthread.h>

#include "transfer/features.h"
#include "transfer/settings.h"

static int ready;
static const curl_version_info_data *loaded;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

int sora_libcurl_init(void) {
  Dl_info info;
  pthread_mutex_lock(&mutex);
  if (!ready && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK) {
    ready = 1;
    if (dladdr((void *)&mutex, &info) != 0 && info.dli_fname != NULL)
      dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
  }
  int initialised = ready;
  pthread_mutex_unlock(&mutex);
  return initialised;
}

static void look_up(void) {
  loaded = curl_version_info(CURLVERSION_NOW);
}

/* Asked once: libcurl asks all of its libraries each time, 4,000 instructions. */
static const curl_version_info_data *version_info(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, look_up);
  return loaded;
}

unsigned sora_libcurl_version(void) {
  return version_info()->version_num;
}

int sora_libcurl_holds_back(void) {
  return sora_libcurl_version() >= 0x075800 && sora_libcurl_version() < 0x080100;
}

int sora_libcurl_stops_uploads(void) {
  return sora_libcurl_holds_back();
}

int sora_libcurl_forgets_addresses(void) {
  return sora_libcurl_version() >= 0x075800 && sora_libcurl_version() < 0x080400;
}

int sora_libcurl_mixes_tunnels(void) {
  return sora_libcurl_version() >= 0x075700 && sora_libcurl_version() < 0x080000;
}

long sora_libcurl_buffer(void) {
  return sora_libcurl_version() < 0x080100 ? 32 * 1024 : 16 * 1024;
}

long sora_libcurl_http(long version) {
  static const struct {
    long value;
    int feature; /* that it needs, 0: none */
  } versions[] = {{CURL_HTTP_VERSION_2TLS, CURL_VERSION_HTTP2},
                  {CURL_HTTP_VERSION_1_1, 0},
                  {CURL_HTTP_VERSION_2TLS, CURL_VERSION_HTTP2},
                  {CURL_HTTP_VERSION_3, CURL_VERSION_HTTP3}};
  int features = version_info()->features, needed = versions[version].feature;
  return needed == 0 || (features & needed) ? versions[version].value : CURL_HTTP_VERSION_NONE;
}

int sora_can_speak(long version) {
  return sora_libcurl_http(version) != CURL_HTTP_VERSION_NONE;
}

static const char *encodings_of(int features) {
  static const char *const all[] = {
      "deflate, gzip",
      "deflate, gzip, br",
      "deflate, gzip, zstd",
      "deflate, gzip, br, zstd",
  };
  if (!(features & CURL_VERSION_LIBZ))
    return "";
  return all[(features & CURL_VERSION_BROTLI ? 1 : 0) + (features & CURL_VERSION_ZSTD ? 2 : 0)];
}

void sora_features(struct features *features) {
  features->built = LIBCURL_VERSION;
  features->loaded = version_info()->version;
  features->tls = version_info()->ssl_version != NULL ? version_info()->ssl_version : "none";
  features->http2 = (version_info()->features & CURL_VERSION_HTTP2) != 0;
  features->encodings = encodings_of(version_info()->features);
}

struct sigpipe_guard sora_libcurl_enter(void) {
  struct sigpipe_guard guard = {.active = 0};
  if (sora_libcurl_version() < 0x075700)
    sora_sigpipe_hold(&guard);
  return guard;
}

void sora_libcurl_leave(const struct sigpipe_guard *guard) {
  sora_sigpipe_release(guard);
}
