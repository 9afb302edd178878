/*
 * Connections, for the files server*.c: the socket behind each, which civetweb hides, and how long it may wait.
 * A connection lives from civetweb's init_connection to connection_close; its fields belong to the thread that
 * serves it, but for the list, which the server's lock protects.
 */
#ifndef MR_HTTP_SERVER_CONNECTION_H
#define MR_HTTP_SERVER_CONNECTION_H

#include "shared/http/server_state.h"

/* How long a connection may wait for its next request, in ms. */
int mr_connection_keep_alive_ms(const struct mr_server *server);

/* *ret_data is civetweb's user data of the connection. */
void mr_connection_open(struct mr_server *server, void **ret_data);
void mr_connection_close(struct mr_server *server, const struct mg_connection *conn);

/* The connection's socket, searched for at its first request; -1 if it cannot be found. */
int mr_connection_socket(struct mr_server *server, struct mg_connection *conn);

/* Notes that a request is done and the wait for the next begins. */
void mr_connection_served(struct mg_connection *conn);

/* The HTTP status for a head that civetweb calls malformed: broken (400), too slow (408) or too long (431). */
int mr_connection_head_fault(struct mr_server *server, struct mg_connection *conn);

/* Replaces the connection's socket by `substitute` under the same descriptor, and forgets it: the caller has a
 * duplicate. MR_EXHAUSTED. */
MR_MUST_CHECK enum mr_status mr_connection_replace_socket(struct mr_server *server,
                                                          struct mg_connection *conn, int substitute,
                                                          struct mr_err *err);

/* Shuts every socket down, so that civetweb's threads do not wait for their timeouts. */
void mr_connections_shut(struct mr_server *server);

/* Sends FIN, then drops what the client still sends for at most 1 s, so that it sees the answer and not a
 * reset. A negative fd is ignored. */
void mr_connection_linger(int fd);

#endif
