/* One request from its head to its answer, for server.c. Runs on a request thread. */
#ifndef MR_HTTP_SERVER_DISPATCH_H
#define MR_HTTP_SERVER_DISPATCH_H

#include "shared/http/server_state.h"

/* Routes the connection's request to its handler, or answers for it, and logs it. What is left of the answer is in the
 * connection's `out`. */
void mr_server_dispatch(struct mr_connection *conn);

#endif
