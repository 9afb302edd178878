/* A connection from its start to its end, for the files server*.c. */
#ifndef MR_HTTP_SERVER_CONNECTION_H
#define MR_HTTP_SERVER_CONNECTION_H

#include "shared/http/server_state.h"

/* A new connection; returns when the first byte of a request has come. NULL without memory, or if the server is not
 * ready. civetweb's thread. */
struct mr_connection *mr_connection_open(struct mr_server *server, const struct mg_connection *civetweb);
/* Before civetweb closes the socket. */
void mr_connection_close(struct mr_connection *conn);

/* Replaces the connection's socket by `substitute` under the same descriptor, and forgets it: the caller has a
 * duplicate. MR_EXHAUSTED. */
MR_MUST_CHECK enum mr_status mr_connection_replace_socket(struct mr_connection *conn, int substitute,
                                                          struct mr_err *err);

/* Bytes that civetweb has read from the socket; 0 if the kernel does not report it. */
int64_t mr_connection_consumed(const struct mr_connection *conn);

/* Sends FIN, then drops what the client still sends for at most 1 s, so that it sees the answer and not a reset. */
void mr_connection_linger(struct mr_connection *conn);

/* Shuts every socket down, so that civetweb's threads do not wait for their timeouts; later ones at once. */
void mr_connections_shut(struct mr_server *server);

#endif
