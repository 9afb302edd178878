/*
 * How a request is taken in before it gets a thread: its head, and its body if that is small. A client that sends
 * slowly costs the bytes it has sent, and no thread. Of a large body the first MR_SMALL_BODY bytes are awaited, so
 * that a thread is only taken for a client that really sends. For the loop only (server_loop.c).
 */
#ifndef MR_HTTP_SERVER_INTAKE_H
#define MR_HTTP_SERVER_INTAKE_H

#include "shared/http/server_state.h"

/* Sets a phase that lasts at most ms. */
void mr_intake_enter(struct mr_server *server, struct mr_connection *conn, enum mr_phase phase, int ms);

/*
 * Goes through what was received, from phase to phase. *ret_ready: the request can be served now; its class is
 * set. A failure is to be answered, and the connection closed: where the request ends is unknown.
 */
MR_MUST_CHECK enum mr_status mr_intake_advance(struct mr_server *server, struct mr_connection *conn,
                                               bool *ret_ready, struct mr_err *err);

/* Removes the request that was served; what follows it stays. */
void mr_intake_finish(struct mr_connection *conn);

#endif
