/*
 * The sockets behind civetweb's connections, for the files server*.c. civetweb hides them, and tells the client's
 * address (request_info) only once it reads a request, though it has noted it before; but deadlines, bounds and
 * streams that are handed over need the socket from the start of a connection.
 *
 * A request_info lies at the same place of each connection. The place is learnt from a connection that we make and
 * break ourselves. The socket is then the one whose ends have these addresses. Descriptors are given out from the
 * lowest free number, so new ones lie among the others; the search skips those of known connections and looks at
 * the few that the rest of the program has open.
 */
#ifndef MR_HTTP_SERVER_SOCKET_H
#define MR_HTTP_SERVER_SOCKET_H

#include "shared/http/server_state.h"

/* Finds the listening socket, and learns how those of clients can be found. MR_UNAVAILABLE. */
MR_MUST_CHECK enum mr_status mr_sockets_prepare(struct mr_server *server, struct mr_err *err);
/* To be called with each connection that ends, while civetweb still knows it. */
void mr_sockets_learn(struct mr_server *server, const struct mg_connection *civetweb);

/* The client's socket and address. *ret_fd is -1 if it was not found: the client may have disconnected already. False
 * before mr_sockets_prepare has learnt what it needs. Any thread. */
bool mr_socket_find(struct mr_server *server, const struct mg_connection *civetweb, int *ret_fd,
                    char ret_address[MR_ADDRESS_MAX]);
/* The socket will be closed. */
void mr_socket_forget(struct mr_server *server, int fd);

#endif
