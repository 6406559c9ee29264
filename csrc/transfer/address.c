#include "transfer/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

struct network {
  unsigned char prefix[16];
  int bits;
};

static int is_in(const unsigned char *address, const struct network *network) {
  int whole = network->bits / 8, rest = network->bits % 8;
  if (memcmp(address, network->prefix, (size_t)whole) != 0)
    return 0;
  return rest == 0 || ((address[whole] ^ network->prefix[whole]) >> (8 - rest)) == 0;
}

static int is_private_v4(const unsigned char *address) {
  static const struct network networks[] = {
      {{0}, 8},         {{10}, 8},       {{100, 64}, 10},      {{127}, 8},
      {{169, 254}, 16}, {{172, 16}, 12}, {{192, 0, 0}, 24},    {{192, 0, 2}, 24},
      {{192, 168}, 16}, {{198, 18}, 15}, {{198, 51, 100}, 24}, {{203, 0, 113}, 24},
      {{224}, 4},       {{240}, 4}};
  for (size_t i = 0; i < sizeof networks / sizeof *networks; i++)
    if (is_in(address, &networks[i]))
      return 1;
  return 0;
}

static int is_private_v6(const unsigned char *address) {
  /* addresses that carry one of IPv4, and where in them it is */
  static const struct {
    struct network network;
    int at;
  } carriers[] = {{{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF}, 96}, 12},
                  {{{0x00, 0x64, 0xFF, 0x9B}, 96}, 12},
                  {{{0x20, 0x02}, 16}, 2}};
  static const struct network public = {{0x20}, 3}; /* 2000::/3; what is outside is not routed */
  static const struct network networks[] = {
      {{0x20, 0x01, 0x00}, 23}, {{0x20, 0x01, 0x0D, 0xB8}, 32}, {{0x3F, 0xFF}, 20}};
  for (size_t i = 0; i < sizeof carriers / sizeof *carriers; i++)
    if (is_in(address, &carriers[i].network))
      return is_private_v4(address + carriers[i].at);
  for (size_t i = 0; i < sizeof networks / sizeof *networks; i++)
    if (is_in(address, &networks[i]))
      return 1;
  return !is_in(address, &public);
}

int sora_address_is_private(const struct sockaddr *address) {
  if (address->sa_family == AF_INET) {
    struct sockaddr_in v4;
    memcpy(&v4, address, sizeof v4);
    return is_private_v4((const unsigned char *)&v4.sin_addr);
  }
  if (address->sa_family == AF_INET6) {
    struct sockaddr_in6 v6;
    memcpy(&v6, address, sizeof v6);
    return is_private_v6((const unsigned char *)&v6.sin6_addr);
  }
  return 1;
}

void sora_address_write(const struct sockaddr *address, char *text, unsigned size) {
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
  const void *bytes = NULL;
  if (address->sa_family == AF_INET) {
    memcpy(&v4, address, sizeof v4);
    bytes = &v4.sin_addr;
  } else if (address->sa_family == AF_INET6) {
    memcpy(&v6, address, sizeof v6);
    bytes = &v6.sin6_addr;
  }
  if (bytes == NULL || inet_ntop(address->sa_family, bytes, text, size) == NULL)
    strcpy(text, "the address");
}

/* "localhost", and what ends with ".localhost", with or without a dot behind it. */
static int is_localhost(const char *host) {
  static const char name[] = "localhost";
  size_t length = strlen(host), size = sizeof name - 1;
  if (length > 0 && host[length - 1] == '.')
    length--;
  if (length < size || (length > size && host[length - size - 1] != '.'))
    return 0;
  for (size_t i = 0; i < size; i++)
    if ((host[length - size + i] | 0x20) != name[i])
      return 0;
  return 1;
}

int sora_host_is_private(const char *host) {
  unsigned char address[16];
  char inner[INET6_ADDRSTRLEN];
  if (inet_pton(AF_INET, host, address) == 1)
    return is_private_v4(address);
  if (*host == '[') {
    size_t length = strcspn(host + 1, "]%");
    if (length >= sizeof inner)
      return 1;
    memcpy(inner, host + 1, length);
    inner[length] = '\0';
    return inet_pton(AF_INET6, inner, address) != 1 || is_private_v6(address);
  }
  return is_localhost(host);
}
