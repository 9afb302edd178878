/* The body of a request as the server itself handles it, for the files server*.c; handlers use server.h. */
#ifndef MR_HTTP_SERVER_BODY_H
#define MR_HTTP_SERVER_BODY_H

#include "shared/http/server_state.h"

/* Before the first byte is read. */
void mr_body_prepare(struct mr_request *req);

/* True if the body is received completely, so that another request can follow it. */
bool mr_body_can_finish(const struct mr_request *req);

#endif
