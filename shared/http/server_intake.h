/*
 * A request on civetweb's thread: from the head that civetweb has read, over the body if that is small, to the request
 * thread that serves it, and back to the answer. A client that sends or reads slowly holds only civetweb's thread, of
 * which there is one for each connection. Of a large body the first MR_SMALL_BODY bytes are awaited, so that a request
 * thread is only taken for a client that really sends.
 */
#ifndef MR_HTTP_SERVER_INTAKE_H
#define MR_HTTP_SERVER_INTAKE_H

#include "shared/http/server_state.h"

/* Serves the request whose head civetweb has read, or refuses it. */
void mr_intake_serve(struct mr_connection *conn);
/* Refuses what civetweb could not read. */
void mr_intake_refuse(struct mr_connection *conn);

#endif
