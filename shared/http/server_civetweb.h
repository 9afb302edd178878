/* civetweb started and stopped, with callbacks that hand its connections and requests on, for server.c. */
#ifndef MR_HTTP_SERVER_CIVETWEB_H
#define MR_HTTP_SERVER_CIVETWEB_H

#include "shared/http/server_state.h"

/* Listens, with one thread for each connection. MR_UNAVAILABLE if the port cannot be bound. */
MR_MUST_CHECK enum mr_status mr_civetweb_start(struct mr_server *server, struct mr_err *err);
/* Shuts all sockets down and ends civetweb's threads, which wait for the requests that run. */
void mr_civetweb_stop(struct mr_server *server);

#endif
