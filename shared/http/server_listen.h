/* The listening socket, for server_loop.c. */
#ifndef MR_HTTP_SERVER_LISTEN_H
#define MR_HTTP_SERVER_LISTEN_H

#include "shared/http/server_state.h"

/* Binds the port and listens; sets server->port. MR_UNAVAILABLE. */
MR_MUST_CHECK enum mr_status mr_listen_open(struct mr_server *server, struct mr_err *err);

/* Stops or resumes accepting; new connections wait in the kernel meanwhile. */
void mr_listen_pause(struct mr_server *server, bool paused);

#endif
