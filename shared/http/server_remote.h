/* Which client a request comes from, seen through the proxies in front, for the files server*.c. */
#ifndef MR_HTTP_SERVER_REMOTE_H
#define MR_HTTP_SERVER_REMOTE_H

#include "shared/http/server_state.h"

/* The client's address: `peer`, or what `proxies` of our own have noted in X-Forwarded-For. Pure function. */
void mr_remote_of(const struct mr_head *head, int proxies, const char *peer, char ret[MR_ADDRESS_MAX]);

#endif
