/*
 * The settings of a client or of one request, as the transfers need them.
 *
 * Whoever fills them in (lua/options.c) checks them; neither Lua nor curl is known here.
 */
#ifndef SORA_SETTINGS_H
#define SORA_SETTINGS_H

/* What an option that was given has an effect on, so that a request can share all else with its
 * client. */
enum option_effect {
  AFFECTS_URL = 1,
  AFFECTS_HEADERS = 2,
  AFFECTS_TRANSPORT = 4,
  AFFECTS_KEY = AFFECTS_HEADERS | 8,
  AFFECTS_HOST = AFFECTS_HEADERS | 16
};

enum http_version { HTTP_BEST, HTTP_1_1, HTTP_2, HTTP_3 };

/* The strings among the settings. NULL: none, or the default of libcurl or ours. `no_proxy` is no
   option: it is what the environment says, see sora_handle_obey_environment. */
#define SETTINGS_STRINGS(X)                                                                        \
  X(api_key)                                                                                       \
  X(base_url)                                                                                      \
  X(content_path)                                                                                  \
  X(create_path)                                                                                   \
  X(forwarded_host)                                                                                \
  X(ca_file)                                                                                       \
  X(proxy)                                                                                         \
  X(no_proxy)                                                                                      \
  X(query_path)                                                                                    \
  X(user_agent)

struct settings {
#define X(name) const char *name;
  SETTINGS_STRINGS(X)
#undef X
  double request_timeout, connect_timeout, timeout; /* seconds; timeout 0: none */
  long retries, max_depth, max_body, max_connections;
  long http_version; /* enum http_version */
  double max_size;   /* bytes of a video, 0: any number */
  int verify, allow_http, private_networks;
  long indent;    /* of JSON that is written, in spaces */
  int headers;    /* stack index of the table of headers, 0: none */
  int null;       /* stack index of what stands for null, 0: nothing does */
  unsigned given; /* option_effect bits of the options that were given */
};

/* Copies the settings with strings of its own. Returns 0 without memory: what was copied so far is
   valid, and is freed by sora_settings_free. */
int sora_settings_copy(struct settings *copy, const struct settings *from);

/* Overwrites and frees the strings of a copy. Idempotent. */
void sora_settings_free(struct settings *copy);

#endif
