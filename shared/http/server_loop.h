/*
 * The loop: one thread that holds all connections which wait for their client. It accepts, takes requests in
 * (server_intake.h), hands them to request threads (server_pool.h), and writes what a client has not read yet of an
 * answer. So an idle, dripping or slowly reading client costs memory, but no thread.
 *
 * Bounds: the number of connections, the time of each phase, the bytes that wait to be read. When one is reached, the
 * connection that has waited longest for its client is closed.
 */
#ifndef MR_HTTP_SERVER_LOOP_H
#define MR_HTTP_SERVER_LOOP_H

#include "shared/http/server_state.h"

/* Listens and starts the thread. MR_UNAVAILABLE if the port cannot be bound, MR_EXHAUSTED. */
MR_MUST_CHECK enum mr_status mr_loop_start(struct mr_server *server, struct mr_err *err);
/* Ends the thread and shuts all sockets down, so that request threads do not wait for clients. */
void mr_loop_stop(struct mr_server *server);
/* Closes all connections and the descriptors of the loop. Request threads have ended. */
void mr_loop_close(struct mr_server *server);

/* Gives a connection back when its answer is complete, or cut off. Request threads. */
void mr_loop_return(struct mr_server *server, struct mr_connection *conn);

#endif
