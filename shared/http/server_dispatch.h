/* One request from its head to the end of its answer, for server.c. Runs on a request thread. */
#ifndef MR_HTTP_SERVER_DISPATCH_H
#define MR_HTTP_SERVER_DISPATCH_H

#include "shared/http/server_state.h"

/* Routes the request on the connection to its handler, or answers for it, and logs it. accepting is false while
 * the server drains: then the answer is 503. */
void mr_server_dispatch(struct mr_server *server, struct mg_connection *conn, bool accepting);

#endif
