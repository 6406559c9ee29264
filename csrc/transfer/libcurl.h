/*
 * The libcurl that runs here: its global state, what it can do, and what has to be known of its
 * version. Versions are looked at when the module runs, since a library is exchanged without it.
 */
#ifndef SORA_LIBCURL_H
#define SORA_LIBCURL_H

#include <curl/curl.h>
#include "transfer/sigpipe.h"

#if LIBCURL_VERSION_NUM < 0x074a00
#error "sora needs libcurl 7.74.0 or later"
#endif

/* Initialises libcurl once for the process; it is never cleaned up, and this module never unmapped:
   a thread that looks up a host can outlive the Lua state that asked, and runs code of libcurl's
   then. Returns 0 when memory is short; the next call tries again. */
int sora_libcurl_init(void);

/* As LIBCURL_VERSION_NUM, of the library that was loaded. */
unsigned sora_libcurl_version(void);

/* The CURL_HTTP_VERSION_… for an enum http_version; CURL_HTTP_VERSION_NONE where it cannot do that.
 */
long sora_libcurl_http(long version);

/* Whether it may leave bytes of HTTP/2 lying until something else comes on the connection: what did
   not fit into a transfer's buffer is given out by later calls, and from 7.88.0 to 8.0.1 nothing
   asks for these (lib/http2.c, cf_h2_recv; curl 8.1.0 wrote it anew). */
int sora_libcurl_holds_back(void);

/* Whether what is sent over HTTP/2 may stand still for good once the server's window was full: seen
   with 7.88.1, with the curl program as well, in two of a hundred uploads of 3 MB to a server with
   a window of 64 KiB on a busy machine. curl 8.1.0 wrote this anew. */
int sora_libcurl_stops_uploads(void);

/* Whether it may forget to go on with a host's next address when one was silent: from 7.88.0
   to 8.3.0 the socket of the next is opened by the transfer's next run, for which nothing asks
   (lib/connect.c, is_connected; curl 8.4.0 asks). */
int sora_libcurl_forgets_addresses(void);

/* Whether it may give a request a connection that a proxy has not let through yet: 7.87.0 to 7.88.1
   (lib/url.c, ConnectionExists). */
int sora_libcurl_mixes_tunnels(void);

/* The size of a transfer's buffer. Before 8.1.0 headers over HTTP/2 that do not fit into it come in
   the wrong order, which no later call cures; memory that nothing came into is not touched. */
long sora_libcurl_buffer(void);

/* To be called around whatever may write to a socket. Before 7.87 a library with OpenSSL writes
   with write(2), which raises SIGPIPE on a connection that the server has reset, and
   CURLOPT_NOSIGNAL takes libcurl's own cure away (curl pull request 9962). Nothing is done with a
   later libcurl. */
struct sigpipe_guard sora_libcurl_enter(void);
void sora_libcurl_leave(const struct sigpipe_guard *guard);

#endif
