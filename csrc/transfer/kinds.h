/*
 * The kinds of errors: a closed set, which the public interface promises.
 */
#ifndef SORA_KINDS_H
#define SORA_KINDS_H

/* The closed set of kinds. */
#define SORA_ERROR_KINDS(X)                                                                        \
  X(dns)                                                                                           \
  X(connect)                                                                                       \
  X(tls)                                                                                           \
  X(timeout)                                                                                       \
  X(network)                                                                                       \
  X(http)                                                                                          \
  X(api)                                                                                           \
  X(decode)                                                                                        \
  X(too_large)                                                                                     \
  X(cancelled)                                                                                     \
  X(failed)                                                                                        \
  X(no_video)                                                                                      \
  X(io)                                                                                            \
  X(memory)

enum error_kind {
  ERROR_NONE,
#define X(name) ERROR_##name,
  SORA_ERROR_KINDS(X)
#undef X
};

#endif
