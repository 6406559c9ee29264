/*
 * The settings of a client or of one request, as the transfers need them.
 *
 * Whoever fills them in (lua/options.c) checks them; neither Lua nor curl is known here.
 */
#ifndef SORA_SETTINGS_H
#define SORA_SETTINGS_H

/* What an option of a call has an effect on. The request shares with its client whatever no option
   concerns. */
enum option_effect {
  AFFECTS_URL = 1,
  AFFECTS_HEADERS = 2,
  AFFECTS_TRANSPORT = 4,
  AFFECTS_KEY = AFFECTS_HEADERS | 8,
  AFFECTS_HOST = AFFECTS_HEADERS | 16
};

enum http_version { HTTP_BEST, HTTP_1_1, HTTP_2, HTTP_3 };

/* The strings among the settings. NULL: none, or the default of libcurl or ours. The first ones end
   up in headers and base URLs, the others are kept. `no_proxy` is no option: it is what the
   environment says, see sora_handle_obey_environment. */
#define PASSING_STRINGS(X)                                                                         \
  X(api_key)                                                                                       \
  X(base_url)                                                                                      \
  X(forwarded_host)
#define KEPT_STRINGS(X)                                                                            \
  X(content_path)                                                                                  \
  X(create_path)                                                                                   \
  X(ca_file)                                                                                       \
  X(proxy)                                                                                         \
  X(no_proxy)                                                                                      \
  X(query_path)                                                                                    \
  X(user_agent)

struct settings {
#define X(name) const char *name;
  PASSING_STRINGS(X)
  KEPT_STRINGS(X)
#undef X
  double request_timeout, connect_timeout, timeout; /* seconds; timeout 0: none */
  long retries, max_depth, max_body, max_connections;
  long http_version; /* enum http_version */
  double max_size;   /* bytes of a video, 0: any number */
  int verify, allow_http, private_networks;
  long indent;    /* of JSON that is written, in spaces */
  int headers;    /* stack index of the table of headers, 0: none */
  int null;       /* stack index of what stands for null, 0: nothing does */
  int on_attempt; /* stack index of the function to tell of attempts, 0: none was given */
  int observed;   /* of a client: there is one */
  unsigned given; /* option_effect bits of the options that were given */
  int references; /* to a copy, which requests share */
};

/* Takes the strings out of a copy that does not own them. */
void sora_settings_drop_strings(struct settings *settings);

/* Sets the strings that are not given to those of `from`, which has to outlive them. */
void sora_settings_inherit(struct settings *settings, const struct settings *from);

/* A copy with strings of its own, of those that are kept; one reference. NULL without
   memory. */
struct settings *sora_settings_new(const struct settings *from);

/* One more reference to the same; NULL is none. */
struct settings *sora_settings_share(struct settings *copy);

/* Lets go, and sets the pointer to NULL. The last one to let go overwrites the strings: a proxy has
   a password. */
void sora_settings_release(struct settings **copy);

#endif
