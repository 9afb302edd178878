/*
 * Waiting for clients, with deadlines and bounds, for the files server*.c.
 *
 * civetweb's calls wait for a whole piece, and begin their time-out again with every byte, so a client that sends a
 * byte now and then could hold a connection for ever. One thread, the watchdog, shuts the socket of an overdue wait
 * down, which ends civetweb's call. When there are too many connections, or too many bytes that wait to be read, the
 * connection that has waited longest for its client is shut down.
 *
 * A wait belongs to the thread that owns the connection. A connection whose socket is not known is not watched.
 */
#ifndef MR_HTTP_SERVER_WATCH_H
#define MR_HTTP_SERVER_WATCH_H

#include "shared/http/server_state.h"

/* MR_EXHAUSTED without threads. */
MR_MUST_CHECK enum mr_status mr_watch_start(struct mr_server *server, struct mr_err *err);
/* Nothing may wait any more. */
void mr_watch_stop(struct mr_server *server);

/* The connection waits for its client, for ms at most; a wait that it is in begins again. */
void mr_wait_begin(struct mr_connection *conn, enum mr_phase phase, int64_t ms);
/* False if the socket was shut down meanwhile. */
bool mr_wait_end(struct mr_connection *conn);

/* Shuts one connection down if there are more than max_connections. */
void mr_watch_make_room(struct mr_server *server);
/* Notes that so many bytes of an answer wait for the client; 0 when they do not wait any more. */
void mr_watch_unread(struct mr_connection *conn, size_t bytes);

#endif
