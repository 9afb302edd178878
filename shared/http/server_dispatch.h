/* One request from its head to the end of its answer, for server.c. Runs on a request thread. */
#ifndef MR_HTTP_SERVER_DISPATCH_H
#define MR_HTTP_SERVER_DISPATCH_H

#include "shared/http/server_state.h"

/* Routes the connection's request to its handler, or answers for it, logs it, and gives the connection back. */
void mr_server_dispatch(struct mr_server *server, struct mr_connection *conn);

#endif
