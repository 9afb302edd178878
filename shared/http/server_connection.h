/* One connection as the loop handles it (server_loop.c): accepting, receiving, writing, lingering, closing. Only
 * mr_connection_give_away is for request threads. */
#ifndef MR_HTTP_SERVER_CONNECTION_H
#define MR_HTTP_SERVER_CONNECTION_H

#include "shared/http/server_state.h"

/* Accepts a connection. Returns 0, or errno: EAGAIN if there is none. *ret stays NULL without memory. */
int mr_connection_accept(struct mr_server *server, struct mr_connection **ret);
/* Closes and frees. */
void mr_connection_close(struct mr_server *server, struct mr_connection *conn);

/* Waits once for the events (EPOLLIN, EPOLLOUT). */
void mr_connection_await(struct mr_server *server, struct mr_connection *conn, uint32_t events);

/* Appends what has arrived to `in`; *ret_ended at the end of the stream. False on an error. */
bool mr_connection_receive(struct mr_connection *conn, bool *ret_ended);

/* Writes the rest of the answer as far as the client reads. True when it is complete and the connection is ready for
 * the next request; else it waits, lingers or is closed. */
bool mr_connection_write(struct mr_server *server, struct mr_connection *conn);

/* Drops what the client still sends, so that it sees the answer and not a reset. */
void mr_connection_drop_input(struct mr_server *server, struct mr_connection *conn);

/* The request is no longer one that mr_server_drain waits for. */
void mr_connection_uncount(struct mr_server *server, struct mr_connection *conn);

/* Takes the socket away from the connection, which the request's thread gives back without it. */
int mr_connection_give_away(struct mr_server *server, struct mr_connection *conn);

#endif
