/*
 * Whether an address is of a private network, to which an address from outside must not lead.
 */
#ifndef SORA_ADDRESS_H
#define SORA_ADDRESS_H

#include <sys/socket.h>

/* Whether the address is not of the public network: this machine, a link, a private, shared or
   reserved network, or many machines at once (RFC 6890 and the registries that it began). IPv6
   addresses that carry one of IPv4 (mapped, NAT64, 6to4) count as that one. What is neither IPv4
   nor IPv6 is private. */
int sora_address_is_private(const struct sockaddr *address);

/* The same of a host as libcurl's URL parser gives it: a literal address, or a name that by its own
   kind leads to this machine (RFC 6761, 6.3). Other names are not private. */
int sora_host_is_private(const char *host);

#endif
