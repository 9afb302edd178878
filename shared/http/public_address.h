/*
 * Which addresses are public: globally reachable unicast, by IANA's special-purpose registries (RFC 6890).
 * IPv4-mapped and NAT64 addresses count as the IPv4 address in them; 6to4 and Teredo are refused. Pure functions;
 * any thread.
 */
#ifndef MR_HTTP_PUBLIC_ADDRESS_H
#define MR_HTTP_PUBLIC_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

bool mr_address_is_public(const struct sockaddr *address, socklen_t len);

#endif
