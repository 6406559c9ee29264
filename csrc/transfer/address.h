/*
 * Whether an address is of a private network, to which an address from outside must not lead.
 */
#ifndef SORA_ADDRESS_H
#define SORA_ADDRESS_H

#include <sys/socket.h>

/* The error of an address, or a URL's host, that is kept out for that reason. */
#define SORA_PRIVATE_ADDRESS                                                                       \
  "%s is in a private network, where option 'private_networks' does not let a download go"

/* Whether the address is not of the public network: this machine, a link, a private, shared or
   reserved network, or many machines at once (RFC 6890 and the registries that it began). IPv6
   addresses that carry one of IPv4 (mapped, NAT64, 6to4) count as that one. What is neither IPv4
   nor IPv6 is private. */
int sora_address_is_private(const struct sockaddr *address);

/* Writes the address as text; size: at least 46 bytes. */
void sora_address_write(const struct sockaddr *address, char *text, unsigned size);

/* Whether a host is private, as libcurl's URL parser gives it: a literal address that is, or a name
   that by its own kind leads to this machine (RFC 6761, 6.3). Other names are not private. */
int sora_host_is_private(const char *host);

#endif
